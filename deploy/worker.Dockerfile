# A worker: claims jobs from Redis and runs the models in the image. The command chooses the worker.
#
#   CPU: docker build -f deploy/worker.Dockerfile .
#   GPU: docker build -f deploy/worker.Dockerfile --build-arg LOCK=worker-gpu .
#
# The GPU lock has CUDA and cuDNN as wheels, which the worker loads itself before its first session
# (workers/runtime/inference/cuda.py), and NVIDIA's container toolkit brings the driver from the host. So both variants use
# the same small base image. The two ONNX Runtime wheels own the same folder, so an image has one lock.
ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS install
ARG LOCK=worker
COPY deploy/requirements/${LOCK}.txt /lock.txt
# The lock is complete and hashed, so pip resolves nothing and installs nothing unexpected.
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
    TRIPTYCH_MODELS_DIR=/app/onnx_models/packages \
    TRIPTYCH_RUNTIME_DIR=/run/triptych
# For notes of the jobs that a worker holds. A volume that is mounted here for the first time gets this owner.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /run/triptych
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "workers.encoder", "--health"]
ENTRYPOINT ["python", "-m"]
CMD ["workers.encoder"]
