# The gateway: HTTP in, jobs into Redis. Holds no model, no ONNX Runtime and no numpy.
ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS install
COPY deploy/requirements/gateway.txt /lock.txt
# The lock is complete and hashed, so pip resolves nothing and installs nothing unexpected.
RUN python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install --no-cache-dir --no-deps --require-hashes -r /lock.txt

FROM python:${PYTHON}
WORKDIR /app
COPY --from=install /venv /venv
COPY contracts contracts
COPY services services
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TRIPTYCH_HOST=0.0.0.0 \
    TRIPTYCH_PORT=8080
# A number and not a name, so that Kubernetes can check that it is not root.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["python", "-m", "services.gateway"]
