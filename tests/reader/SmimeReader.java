import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.OriginatorInformation;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.RecipientInformationStore;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationStore;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientId;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.mime.Headers;
import org.bouncycastle.mime.MimeParserContext;
import org.bouncycastle.mime.smime.SMimeParserListener;
import org.bouncycastle.mime.smime.SMimeParserProvider;
import org.bouncycastle.operator.bc.BcDigestCalculatorProvider;
import org.bouncycastle.util.Selector;
import org.bouncycastle.util.Store;

/**
 * Opens S/MIME mails as a mail program does: decrypts, checks the signature and its chain, gives the text.
 *
 * <p>Arguments: a PKCS#12 file with the reader's key, its password, the root in PEM, and a directory of
 * mails. For NAME.eml it writes NAME.text, the octets of the signed parts, decoded, or NAME.fault.
 */
public final class SmimeReader {
    private static final Provider ITS_OWN = new BouncyCastleProvider();

    private final PrivateKey key;
    private final X509Certificate certificate;
    private final X509Certificate root;

    private SmimeReader(PrivateKey key, X509Certificate certificate, X509Certificate root) {
        this.key = key;
        this.certificate = certificate;
        this.root = root;
    }

    public static void main(String[] arguments) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        char[] password = arguments[1].toCharArray();
        try (InputStream file = Files.newInputStream(Path.of(arguments[0]))) {
            store.load(file, password);
        }
        String alias = store.aliases().nextElement();
        PrivateKey key = (PrivateKey) store.getKey(alias, password);
        X509Certificate root;
        try (InputStream file = Files.newInputStream(Path.of(arguments[2]))) {
            root = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
        }
        SmimeReader reader = new SmimeReader(key, (X509Certificate) store.getCertificate(alias), root);
        try (var mails = Files.newDirectoryStream(Path.of(arguments[3]), "*.eml")) {
            for (Path mail : mails) {
                reader.open(mail);
            }
        }
    }

    private void open(Path mail) throws IOException {
        String name = mail.getFileName().toString().replace(".eml", "");
        try {
            Files.write(mail.resolveSibling(name + ".text"), signed(decrypted(Files.readAllBytes(mail))));
        } catch (Exception fault) {
            Files.writeString(mail.resolveSibling(name + ".fault"), String.valueOf(fault));
        }
    }

    private byte[] decrypted(byte[] mail) throws Exception {
        List<byte[]> contents = new ArrayList<>();
        parse(mail, new SMimeParserListener() {
            @Override
            public void envelopedData(
                    MimeParserContext context,
                    Headers headers,
                    OriginatorInformation originator,
                    RecipientInformationStore recipients) throws IOException, CMSException {
                RecipientInformation mine = recipients.get(new JceKeyTransRecipientId(certificate));
                if (mine == null) {
                    throw new CMSException("not encrypted for this key");
                }
                contents.add(mine.getContent(new JceKeyTransEnvelopedRecipient(key).setProvider(ITS_OWN)));
            }
        });
        return contents.get(0);
    }

    private byte[] signed(byte[] mail) throws Exception {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        List<SignerInformation> verified = new ArrayList<>();
        parse(mail, new SMimeParserListener() {
            @Override
            public void content(MimeParserContext context, Headers headers, InputStream content)
                    throws IOException {
                content.transferTo(text);
            }

            @Override
            @SuppressWarnings({"rawtypes", "unchecked"})
            public void signedData(
                    MimeParserContext context,
                    Headers headers,
                    Store certificates,
                    Store crls,
                    Store attributes,
                    SignerInformationStore signers) throws IOException, CMSException {
                for (SignerInformation signer : signers) {
                    check(signer, certificates);
                    verified.add(signer);
                }
            }
        });
        if (verified.size() != 1) {
            throw new CMSException("signatures: " + verified.size());
        }
        return text.toByteArray();
    }

    private void check(SignerInformation signer, Store<X509CertificateHolder> certificates) throws CMSException {
        try {
            List<X509Certificate> sent = new ArrayList<>();
            for (X509CertificateHolder holder : certificates.getMatches((Selector<X509CertificateHolder>) null)) {
                sent.add(new JcaX509CertificateConverter().getCertificate(holder));
            }
            @SuppressWarnings("unchecked")
            var own = (X509CertificateHolder) certificates.getMatches(signer.getSID()).iterator().next();
            if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider(ITS_OWN).build(own))) {
                throw new CMSException("the signature is wrong");
            }
            X509CertSelector target = new X509CertSelector();
            target.setCertificate(new JcaX509CertificateConverter().getCertificate(own));
            PKIXBuilderParameters chain = new PKIXBuilderParameters(Set.of(new TrustAnchor(root, null)), target);
            chain.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(sent)));
            chain.setRevocationEnabled(false);
            CertPathBuilder.getInstance("PKIX").build(chain);
        } catch (CMSException fault) {
            throw fault;
        } catch (Exception fault) {
            throw new CMSException("the signer is not trusted: " + fault, fault);
        }
    }

    private static void parse(byte[] mail, SMimeParserListener listener) throws IOException {
        var provider = new SMimeParserProvider("7bit", new BcDigestCalculatorProvider());
        provider.createParser(new ByteArrayInputStream(mail)).parse(listener);
    }
}
