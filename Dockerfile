# The worker, nothing else: no engine, no Java, no compiler, no root.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY connector connector
COPY bpmn-examples bpmn-examples
RUN python -m venv /opt/connector && /opt/connector/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.13-slim
COPY --from=build /opt/connector /opt/connector
RUN useradd --system --uid 10001 --no-create-home connector
USER 10001
ENV PATH=/opt/connector/bin:$PATH PYTHONUNBUFFERED=1
ENTRYPOINT ["smtp-connector"]
CMD ["run"]
