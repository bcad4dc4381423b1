// What Camunda's linter has against a diagram for Camunda 8.6, a line each. Usage: node lint.mjs FILE.bpmn
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { BpmnModdle } from 'bpmn-moddle';
import { Linter } from 'bpmnlint';
import NodeResolver from 'bpmnlint/lib/resolver/node-resolver.js';

const require = createRequire(import.meta.url);
const moddle = new BpmnModdle({ zeebe: require('zeebe-bpmn-moddle/resources/zeebe.json') });
const { rootElement } = await moddle.fromXML(await readFile(process.argv[2], 'utf8'));
const linter = new Linter({
  config: { extends: ['bpmnlint:correctness', 'plugin:camunda-compat/camunda-cloud-8-6'] },
  resolver: new NodeResolver({ require }),
});

for (const [rule, reports] of Object.entries(await linter.lint(rootElement))) {
  for (const { id, message, category } of reports) {
    console.log(`${category} ${rule}: ${id}: ${message}`);
  }
}
