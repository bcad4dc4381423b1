// What the official schema has against an element template, a line each. Usage: node validate.mjs FILE.json
import { readFile } from 'node:fs/promises';
import { validateZeebe } from '@bpmn-io/element-templates-validator';

const { valid, errors, warnings } = validateZeebe(await readFile(process.argv[2], 'utf8'));

for (const { instancePath, message } of [...(errors ?? []), ...(warnings ?? [])]) {
  console.log(`${instancePath}: ${message}`);
}
process.exitCode = valid ? 0 : 1;
