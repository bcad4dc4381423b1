import io.camunda.client.CamundaClient;
import io.camunda.client.api.response.ActivatedJob;
import io.camunda.client.api.search.enums.IncidentState;
import io.camunda.client.api.search.response.Incident;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * Uses an engine as a Java application does: {@code Interop grpc|rest GRPC_ADDRESS REST_ADDRESS}.
 *
 * <p>Prints one line for each check, {@code ok NAME} or {@code failed NAME: why}.
 */
public final class Interop {
  private static final Duration LEASE = Duration.ofSeconds(30);
  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration AT_ONCE = Duration.ofMillis(300);

  private final CamundaClient client;
  private final String process = "interop-" + UUID.randomUUID();

  private Interop(CamundaClient client) {
    this.client = client;
  }

  public static void main(String[] arguments) {
    try (CamundaClient client =
        CamundaClient.newClientBuilder()
            .preferRestOverGrpc(arguments[0].equals("rest"))
            .grpcAddress(URI.create("http://" + arguments[1]))
            .restAddress(URI.create(arguments[2]))
            .defaultRequestTimeout(Duration.ofSeconds(20))
            .build()) {
      new Interop(client).run();
    }
  }

  private void run() {
    check("topology", this::topology);
    check("deploy", this::deploy);
    check("refuse a broken deployment", this::refuseBroken);
    check("start with result", this::startWithResult);
    check("stream", this::stream);
    check("worker", this::worker);
    check("fail with back-off", this::failWithBackoff);
    check("throw", this::throwError);
    check("publish", this::publish);
    check("cancel", this::cancel);
    check("long poll", this::longPoll);
    check("a poll that stays empty", this::emptyPoll);
    check("lease that ends", this::leaseEnds);
    check("update timeout", this::updateTimeout);
    check("incident, retries and resolve", this::incident);
    check("set variables", this::setVariables);
    check("complete an unknown job", this::unknownJob);
    check("searches", this::searches);
  }

  private interface Check {
    void run() throws Exception;
  }

  private static void check(String name, Check check) {
    try {
      check.run();
      System.out.println("ok " + name);
    } catch (Exception | AssertionError error) {
      System.out.println("failed " + name + ": " + String.valueOf(error).replace("\n", " "));
    }
  }

  private void topology() {
    var topology = client.newTopologyRequest().send().join();
    equal(topology.getClusterSize(), 1);
    equal(topology.getBrokers().get(0).getPartitions().get(0).isLeader(), true);
    expect(topology.getGatewayVersion().startsWith("8."), topology.getGatewayVersion());
  }

  private void deploy() {
    var first = deployProcess();
    equal(first.getBpmnProcessId(), process);
    equal(first.getVersion(), 1);
    equal(deployProcess().getProcessDefinitionKey(), first.getProcessDefinitionKey());
  }

  private io.camunda.client.api.response.Process deployProcess() {
    var deployed =
        client.newDeployResourceCommand().addResourceStringUtf8(diagram(), "interop.bpmn").send().join();
    return deployed.getProcesses().get(0);
  }

  private void refuseBroken() {
    refused(
        () ->
            client
                .newDeployResourceCommand()
                .addResourceStringUtf8(diagram().replace("type=\"" + process + "\"", ""), "broken.bpmn")
                .send()
                .join(),
        "INVALID_ARGUMENT",
        "broken.bpmn");
  }

  private void startWithResult() {
    var ending =
        client
            .newCreateInstanceCommand()
            .bpmnProcessId(process)
            .latestVersion()
            .variables(Map.of("key", "none", "n", 1))
            .withResult()
            .requestTimeout(Duration.ofSeconds(20))
            .send();
    client.newCompleteCommand(one().getKey()).variables(Map.of("answer", "größer")).send().join();
    var result = ending.join().getVariablesAsMap();
    equal(result.get("answer"), "größer");
    equal(result.get("n"), 1);
  }

  private void stream() throws Exception {
    List<ActivatedJob> seen = new CopyOnWriteArrayList<>();
    var streaming =
        client
            .newStreamJobsCommand()
            .jobType(process)
            .consumer(seen::add)
            .timeout(LEASE)
            .workerName("stream")
            .send();
    List<Long> started = new ArrayList<>();
    // Nothing tells when the stream is open; what comes before stays for polls.
    for (int attempt = 0; seen.isEmpty() && attempt < 20; attempt++) {
      started.add(start());
      Thread.sleep(500);
    }
    streaming.cancel(true);
    expect(!seen.isEmpty(), "a job came");
    expect(started.contains(seen.get(0).getProcessInstanceKey()), "it is one of ours");
    equal(seen.get(0).getVariablesAsMap().get("key"), "none");
    equal(seen.get(0).getCustomHeaders().get("colour"), "=blue");
    for (ActivatedJob job : seen) {
      client.newCompleteCommand(job).send().join();
    }
    completeWhatWaits();
  }

  private void completeWhatWaits() {
    for (ActivatedJob job : activate(100, LEASE, AT_ONCE).join().getJobs()) {
      client.newCompleteCommand(job).send().join();
    }
  }

  private void worker() throws Exception {
    List<Long> done = new CopyOnWriteArrayList<>();
    try (var worker =
        client
            .newWorker()
            .jobType(process)
            .handler(
                (jobs, job) -> {
                  jobs.newCompleteCommand(job).send().join();
                  done.add(job.getProcessInstanceKey());
                })
            .timeout(LEASE)
            .pollInterval(Duration.ofMillis(200))
            .requestTimeout(Duration.ofMillis(500))
            .open()) {
      List<Long> started = new ArrayList<>();
      for (int number = 0; number < 20; number++) {
        started.add(start());
      }
      until(() -> done.containsAll(started));
      equal(done.size(), 20);
    }
    // A worker that is closed leaves its last poll to end by itself.
    Thread.sleep(1_500);
  }

  private void failWithBackoff() {
    start();
    var job = one();
    var begun = Instant.now();
    client
        .newFailCommand(job)
        .retries(2)
        .retryBackoff(Duration.ofSeconds(1))
        .errorMessage("not now")
        .send()
        .join();
    var again = one();
    equal(again.getKey(), job.getKey());
    equal(again.getRetries(), 2);
    expect(Duration.between(begun, Instant.now()).toMillis() >= 1000, "the back-off was kept");
    client.newCompleteCommand(again).send().join();
  }

  private void throwError() {
    var ending = startForResult();
    client
        .newThrowErrorCommand(one().getKey())
        .errorCode("REFUSED")
        .errorMessage("no")
        .variables(Map.of("why", "no"))
        .send()
        .join();
    equal(ending.join().getVariablesAsMap().get("why"), "no");
  }

  private void publish() {
    var ending = startForResult("publish-" + process);
    client.newCompleteCommand(one().getKey()).variables(Map.of("wait", true)).send().join();
    client
        .newPublishMessageCommand()
        .messageName("go-on")
        .correlationKey("publish-" + process)
        .timeToLive(Duration.ofSeconds(30))
        .variables(Map.of("message", "hello"))
        .send()
        .join();
    equal(ending.join().getVariablesAsMap().get("message"), "hello");
  }

  private void cancel() {
    long key = start();
    var job = one();
    client.newCancelInstanceCommand(key).send().join();
    refused(() -> client.newCompleteCommand(job).send().join(), "NOT_FOUND", "no such job");
    refused(() -> client.newCancelInstanceCommand(key).send().join(), "NOT_FOUND", String.valueOf(key));
  }

  private void longPoll() throws Exception {
    var waiting = activate(1, LEASE, Duration.ofSeconds(15));
    Thread.sleep(500);
    long key = start();
    var jobs = waiting.join().getJobs();
    equal(jobs.get(0).getProcessInstanceKey(), key);
    client.newCompleteCommand(jobs.get(0)).send().join();
  }

  private void emptyPoll() {
    equal(activate(5, LEASE, AT_ONCE).join().getJobs().size(), 0);
  }

  private void leaseEnds() {
    long key = start();
    var first = activate(1, Duration.ofMillis(500), SOON).join().getJobs().get(0);
    var again = one();
    equal(again.getKey(), first.getKey());
    equal(again.getRetries(), first.getRetries());
    equal(again.getProcessInstanceKey(), key);
    client.newCompleteCommand(again).send().join();
  }

  private void updateTimeout() {
    start();
    var job = one();
    client.newUpdateTimeoutCommand(job).timeout(Duration.ofMillis(1)).send().join();
    var again = one();
    equal(again.getKey(), job.getKey());
    client.newCompleteCommand(again).send().join();
    refused(
        () -> client.newUpdateTimeoutCommand(job).timeout(LEASE).send().join(), "NOT_FOUND", "no such job");
  }

  private void incident() {
    long key = start();
    var job = one();
    client.newFailCommand(job).retries(0).errorMessage("a person must look").send().join();
    refused(() -> client.newCompleteCommand(job).send().join(), "INVALID_STATE", "FAILED");
    var incident = incidentOf(key);
    equal(incident.getErrorMessage(), "a person must look");
    equal(incident.getErrorType().name(), "JOB_NO_RETRIES");
    equal(incident.getJobKey(), job.getKey());
    client.newUpdateRetriesCommand(job).retries(1).send().join();
    client.newResolveIncidentCommand(incident.getIncidentKey()).send().join();
    var again = one();
    equal(again.getKey(), job.getKey());
    equal(again.getRetries(), 1);
    client.newCompleteCommand(again).send().join();
    refused(
        () -> client.newResolveIncidentCommand(incident.getIncidentKey()).send().join(),
        "NOT_FOUND",
        String.valueOf(incident.getIncidentKey()));
  }

  private void setVariables() {
    var ending = startForResult();
    var job = one();
    client
        .newSetVariablesCommand(job.getProcessInstanceKey())
        .variables(Map.of("added", 7))
        .local(true)
        .send()
        .join();
    client.newCompleteCommand(job).send().join();
    equal(ending.join().getVariablesAsMap().get("added"), 7);
  }

  private void unknownJob() {
    refused(() -> client.newCompleteCommand(4711).send().join(), "NOT_FOUND", "4711");
  }

  private void searches() {
    long key = start();
    var job = one();
    client.newCompleteCommand(job).variables(Map.of("found", List.of(1, 2))).send().join();
    var instances =
        client.newProcessInstanceSearchRequest().filter(f -> f.processInstanceKey(key)).send().join();
    equal(instances.items().get(0).getState().name(), "COMPLETED");
    equal(client.newProcessInstanceGetRequest(key).send().join().getProcessDefinitionId(), process);
    var variables =
        client
            .newVariableSearchRequest()
            .filter(f -> f.processInstanceKey(key).name("found"))
            .send()
            .join();
    equal(variables.items().get(0).getValue(), "[1,2]");
    var elements =
        client
            .newElementInstanceSearchRequest()
            .filter(f -> f.processInstanceKey(key).elementId("end"))
            .send()
            .join();
    equal(elements.items().size(), 1);
    var jobs = client.newJobSearchRequest().filter(f -> f.processInstanceKey(key)).send().join();
    equal(jobs.items().get(0).getState().name(), "COMPLETED");
  }

  // The engine as the checks use it

  private long start() {
    return client
        .newCreateInstanceCommand()
        .bpmnProcessId(process)
        .latestVersion()
        .variables(Map.of("key", "none"))
        .send()
        .join()
        .getProcessInstanceKey();
  }

  private io.camunda.client.api.CamundaFuture<
          io.camunda.client.api.response.ProcessInstanceResult>
      startForResult() {
    return startForResult("none");
  }

  private io.camunda.client.api.CamundaFuture<
          io.camunda.client.api.response.ProcessInstanceResult>
      startForResult(String key) {
    return client
        .newCreateInstanceCommand()
        .bpmnProcessId(process)
        .latestVersion()
        .variables(Map.of("key", key))
        .withResult()
        .requestTimeout(Duration.ofSeconds(20))
        .send();
  }

  private io.camunda.client.api.CamundaFuture<io.camunda.client.api.response.ActivateJobsResponse>
      activate(int most, Duration lease, Duration wait) {
    return client
        .newActivateJobsCommand()
        .jobType(process)
        .maxJobsToActivate(most)
        .timeout(lease)
        .workerName("interop")
        .requestTimeout(wait)
        .send();
  }

  private ActivatedJob one() {
    var jobs = activate(1, LEASE, SOON).join().getJobs();
    expect(!jobs.isEmpty(), "a job came");
    return jobs.get(0);
  }

  private Incident incidentOf(long instance) {
    return client
        .newIncidentSearchRequest()
        .filter(f -> f.processInstanceKey(instance).state(IncidentState.ACTIVE))
        .send()
        .join()
        .items()
        .get(0);
  }

  private static void refused(Runnable call, String code, String text) {
    try {
      call.run();
    } catch (RuntimeException error) {
      String said = String.valueOf(error.getMessage());
      expect(said.contains(code) && said.contains(text), said);
      return;
    }
    throw new AssertionError("it was not refused");
  }

  private static void until(BooleanSupplier condition) throws InterruptedException {
    long latest = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (!condition.getAsBoolean()) {
      expect(System.nanoTime() < latest, "it happened in time");
      Thread.sleep(20);
    }
  }

  private static void equal(Object is, Object wanted) {
    expect(wanted.equals(is), "expected " + wanted + ", got " + is);
  }

  private static void expect(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError(what);
    }
  }

  private String diagram() {
    return """
        <?xml version="1.0" encoding="UTF-8"?>
        <definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
                     xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
                     xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="interop">
          <process id="PROCESS" isExecutable="true">
            <startEvent id="start"/>
            <sequenceFlow id="f1" sourceRef="start" targetRef="work"/>
            <serviceTask id="work">
              <extensionElements>
                <zeebe:taskDefinition type="PROCESS"/>
                <zeebe:taskHeaders><zeebe:header key="colour" value="=blue"/></zeebe:taskHeaders>
              </extensionElements>
            </serviceTask>
            <boundaryEvent id="refused" attachedToRef="work"><errorEventDefinition errorRef="e"/></boundaryEvent>
            <sequenceFlow id="f2" sourceRef="refused" targetRef="end"/>
            <sequenceFlow id="f3" sourceRef="work" targetRef="which"/>
            <exclusiveGateway id="which" default="f4"/>
            <sequenceFlow id="f4" sourceRef="which" targetRef="end"/>
            <sequenceFlow id="f5" sourceRef="which" targetRef="wait">
              <conditionExpression xsi:type="tFormalExpression">=wait = true</conditionExpression>
            </sequenceFlow>
            <receiveTask id="wait" messageRef="m"/>
            <sequenceFlow id="f6" sourceRef="wait" targetRef="end"/>
            <endEvent id="end"/>
          </process>
          <error id="e" errorCode="REFUSED"/>
          <message id="m" name="go-on">
            <extensionElements><zeebe:subscription correlationKey="=key"/></extensionElements>
          </message>
        </definitions>
        """
        .replace("PROCESS", process);
  }
}
