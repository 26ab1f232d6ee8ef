# The operator's image: a Debian Python, the packages of requirements.lock, and operator/monopod. hack/image makes the
# same content for the local cluster, which needs no Docker.
#   docker build -t registry.example.com/monopod:0.1.0 .
ARG DEBIAN=bookworm

FROM debian:${DEBIAN}-slim AS base
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libpython3-stdlib libstdc++6 python3-minimal \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

# pip is in this stage only: nothing in the image can install anything.
FROM base AS packages
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip
COPY requirements.lock /requirements.lock
RUN python3 -m pip install --no-cache-dir --no-compile --no-deps --require-hashes --only-binary=:all: \
      --target /packages -r /requirements.lock \
 && rm -rf /packages/bin \
 # Models of services that nobody asks this one for are most of botocore.
 && find /packages/botocore/data -mindepth 1 -maxdepth 1 ! -name ecs ! -name eks ! -name logs ! -name ssm ! -name sts -exec rm -r {} +
# The root file system is read-only in the cluster, so what the operator imports is compiled here. The hash modes don't
# depend on times, which a build changes.
RUN PYTHONPATH=/packages python3 -m compileall -q --invalidation-mode unchecked-hash \
      /packages/aiohttp /packages/alembic /packages/botocore /packages/click /packages/dotenv /packages/kopf /packages/prometheus_client \
      /packages/psycopg /packages/pydantic /packages/pydantic_settings /packages/sqlalchemy /packages/structlog \
      /packages/yaml

FROM base
COPY --from=packages /packages /opt/monopod/packages
COPY operator/monopod /opt/monopod/operator/monopod
ENV PYTHONPATH=/opt/monopod/operator:/opt/monopod/packages \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["python3", "-m", "monopod"]
CMD ["run"]
