# A worker: claims jobs from Redis and runs the models that lie in the image. The command chooses the worker.
#
#   CPU: docker build -f deploy/worker.Dockerfile .
#   GPU: docker build -f deploy/worker.Dockerfile --build-arg LOCK=worker-gpu .
#
# CUDA and cuDNN come with the GPU lock as wheels, and the driver from the host through NVIDIA's container toolkit, so
# both variants stand on the same small base. The two ONNX Runtime wheels own the same folder: an image has one lock.
ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS install
ARG LOCK=worker
COPY deploy/requirements/${LOCK}.txt /lock.txt
# The lock is complete and hashed, so nothing is resolved here and nothing unexpected gets in.
RUN python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install --no-cache-dir --no-deps --require-hashes -r /lock.txt

FROM python:${PYTHON}
WORKDIR /app
COPY --from=install /venv /venv
COPY contracts contracts
COPY workers workers
COPY onnx_models/packages onnx_models/packages
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TRIPTYCH_MODELS_DIR=/app/onnx_models/packages
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "workers.encoder", "--health"]
ENTRYPOINT ["python", "-m"]
CMD ["workers.encoder"]
