# The worker, nothing else: no engine, no Java, no compiler, no root.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY connector connector
COPY bpmn-examples bpmn-examples
# Extras, such as postgres,aws: the libraries for what the settings name.
ARG EXTRAS=postgres
RUN python -m venv /opt/connector && /opt/connector/bin/pip install --no-cache-dir -c constraints.txt ".[$EXTRAS]"

FROM python:3.13-slim
COPY --from=build /opt/connector /opt/connector
RUN useradd --system --uid 10001 --no-create-home connector \
 && install -d -o 10001 -m 700 /var/lib/smtp-connector
USER 10001
# The ledger of sent mails, and the tokens of OAuth, have to outlive the container: mount a volume here, or set
# PostgreSQL for both.
VOLUME /var/lib/smtp-connector
ENV PATH=/opt/connector/bin:$PATH PYTHONUNBUFFERED=1 SMTP_CONNECTOR_LEDGER_PATH=/var/lib/smtp-connector/ledger.db \
    SMTP_CONNECTOR_TOKENS_PATH=/var/lib/smtp-connector/tokens.json
ENTRYPOINT ["smtp-connector"]
CMD ["run"]
