import jakarta.mail.Address;
import jakarta.mail.Header;
import jakarta.mail.Message.RecipientType;
import jakarta.mail.MessagingException;
import jakarta.mail.Multipart;
import jakarta.mail.Part;
import jakarta.mail.Session;
import jakarta.mail.internet.ContentType;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimePart;
import jakarta.mail.internet.MimeUtility;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Properties;

/**
 * Reads mails with Jakarta Mail, as a Java program does.
 *
 * <p>Argument: a directory of mails. For NAME.eml it writes NAME.json: what its header and parts say.
 */
public final class MailReader {
    private static final Session SESSION = session();

    private MailReader() {}

    private static Session session() {
        Properties properties = new Properties();
        properties.setProperty("mail.mime.allowutf8", "true"); // RFC 6532, for addresses that need SMTPUTF8
        return Session.getInstance(properties);
    }

    public static void main(String[] arguments) throws Exception {
        try (var mails = Files.newDirectoryStream(Path.of(arguments[0]), "*.eml")) {
            for (Path mail : mails) {
                String name = mail.getFileName().toString().replace(".eml", ".json");
                Files.writeString(mail.resolveSibling(name), read(mail), StandardCharsets.UTF_8);
            }
        }
    }

    private static String read(Path mail) throws IOException, MessagingException {
        try (InputStream file = Files.newInputStream(mail)) {
            MimeMessage message = new MimeMessage(SESSION, file);
            List<String> fields = new ArrayList<>();
            for (Header field : Collections.list(message.getAllHeaders())) {
                fields.add(list(text(field.getName()), text(MimeUtility.unfold(field.getValue()))));
            }
            return object(
                    member("subject", text(message.getSubject())),
                    member("from", addresses(message.getFrom())),
                    member("to", addresses(message.getRecipients(RecipientType.TO))),
                    member("cc", addresses(message.getRecipients(RecipientType.CC))),
                    member("reply_to", addresses(message.getReplyTo())),
                    member("fields", list(fields.toArray(String[]::new))),
                    member("content", part(message)));
        }
    }

    private static String addresses(Address[] addresses) {
        List<String> pairs = new ArrayList<>();
        for (Address address : addresses == null ? new Address[0] : addresses) {
            InternetAddress one = (InternetAddress) address;
            pairs.add(list(text(one.getPersonal()), text(one.getAddress())));
        }
        return list(pairs.toArray(String[]::new));
    }

    private static String part(MimePart part) throws IOException, MessagingException {
        ContentType type = new ContentType(part.getContentType());
        String head = member("type", text(type.getBaseType().toLowerCase()))
                + "," + member("method", text(type.getParameter("method")))
                + "," + member("name", text(part.getFileName()))
                + "," + member("disposition", text(part.getDisposition()))
                + "," + member("id", text(part.getContentID()));
        Object content = part.getContent();
        if (content instanceof Multipart parts) {
            return object(head, member("parts", parts(parts)));
        }
        if (content instanceof MimeMessage inner) {
            return object(
                    head, member("inner", text(inner.getSubject())), member("octets", octets(inner)));
        }
        if (type.match("text/*")) {
            // What Jakarta Mail has no handler for, as text/csv, it leaves as octets.
            String charset = type.getParameter("charset") == null ? "utf-8" : type.getParameter("charset");
            return object(head, member("text", text(content instanceof String known
                    ? known : new String(part.getInputStream().readAllBytes(), MimeUtility.javaCharset(charset)))));
        }
        return object(head, member("octets", octets(part)));
    }

    private static String parts(Multipart multipart) throws IOException, MessagingException {
        List<String> parts = new ArrayList<>();
        for (int index = 0; index < multipart.getCount(); index++) {
            parts.add(part((MimePart) multipart.getBodyPart(index)));
        }
        return list(parts.toArray(String[]::new));
    }

    private static String octets(Part part) throws IOException, MessagingException {
        ByteArrayOutputStream octets = new ByteArrayOutputStream();
        if (part instanceof MimeMessage inner) {
            inner.writeTo(octets);
        } else {
            part.getInputStream().transferTo(octets);
        }
        return text(Base64.getEncoder().encodeToString(octets.toByteArray()));
    }

    private static String object(String... members) {
        return "{" + String.join(",", members) + "}";
    }

    private static String list(String... items) {
        return "[" + String.join(",", items) + "]";
    }

    private static String member(String name, String value) {
        return text(name) + ":" + value;
    }

    private static String text(String value) {
        if (value == null) {
            return "null";
        }
        StringBuilder escaped = new StringBuilder("\"");
        for (char unit : value.toCharArray()) {
            escaped.append(unit >= ' ' && unit < 127 && unit != '"' && unit != '\\'
                    ? String.valueOf(unit) : String.format("\\u%04x", (int) unit));
        }
        return escaped.append('"').toString();
    }
}
