import io.camunda.client.CamundaClient;
import io.camunda.client.api.response.ActivatedJob;
import io.camunda.client.api.worker.JobClient;
import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.time.Duration;
import java.util.Date;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A bare mail worker: {@code Peer GRPC_ADDRESS TASK_TYPE JOBS WARM kept|each}.
 *
 * <p>Prints one line of JSON when so many jobs are completed: rate and CPU of those after the first WARM.
 * No ledger, no validation.
 */
public final class Peer {
  private static final Session SESSION = Session.getInstance(new Properties());
  private static final ThreadLocal<Transport> KEPT = new ThreadLocal<>();

  public static void main(String[] arguments) throws Exception {
    int jobs = Integer.parseInt(arguments[2]);
    int warm = Integer.parseInt(arguments[3]);
    boolean kept = arguments[4].equals("kept");
    var done = new AtomicInteger();
    var over = new CountDownLatch(1);
    var begun = new long[2];
    try (CamundaClient client =
            CamundaClient.newClientBuilder()
                .preferRestOverGrpc(false)
                .grpcAddress(URI.create("http://" + arguments[0]))
                .numJobWorkerExecutionThreads(16)
                .build();
        var worker =
            client
                .newWorker()
                .jobType(arguments[1])
                .handler(
                    (jobClient, job) -> {
                      send(job, kept);
                      jobClient.newCompleteCommand(job).variables(Map.of("mail", "sent")).send().join();
                      int number = done.incrementAndGet();
                      if (number == warm) {
                        begun[0] = System.nanoTime();
                        begun[1] = cpu();
                      } else if (number == jobs) {
                        double wall = System.nanoTime() - begun[0];
                        double spent = cpu() - begun[1];
                        System.out.printf(
                            "{\"jobs_per_second\": %f, \"cpu_ms\": %f}%n",
                            (jobs - warm) / (wall / 1e9), spent / 1e6 / (jobs - warm));
                        System.out.flush();
                        over.countDown();
                      }
                    })
                .maxJobsActive(32)
                .pollInterval(Duration.ofMillis(10))
                .timeout(Duration.ofSeconds(60))
                .open()) {
      over.await();
    }
    System.exit(0); // kept connections have threads of their own
  }

  private static long cpu() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static void send(ActivatedJob job, boolean kept) throws MessagingException {
    Map<String, Object> variables = job.getVariablesAsMap();
    var server = (Map<?, ?>) variables.get("authentication");
    var message = new MimeMessage(SESSION);
    message.setFrom(new InternetAddress((String) variables.get("smtpEmailMailBoxName")));
    message.setRecipients(
        Message.RecipientType.TO, InternetAddress.parse((String) variables.get("smtpEmailToRecipients")));
    message.setSubject((String) variables.get("smtpEmailSubject"), "UTF-8");
    message.setText((String) variables.get("smtpEmailContent"), "UTF-8");
    message.setSentDate(new Date());
    message.saveChanges();
    Transport transport = kept ? KEPT.get() : null;
    if (transport == null) {
      transport = SESSION.getTransport("smtp");
      transport.connect(
          (String) server.get("hostname"), ((Number) server.get("port")).intValue(), null, null);
    }
    transport.sendMessage(message, message.getAllRecipients());
    if (kept) {
      KEPT.set(transport);
    } else {
      transport.close();
    }
  }
}
