# Headscope as a public server (see docs/deployment.md): docker build -t headscope .
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 headscope
WORKDIR /srv/headscope

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# PyTorch for the CPU, a fifth of the size of the build for CUDA, in the version that requirements.txt asks for.
COPY requirements.txt requirements.lock ./
RUN pip install --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' requirements.txt)" \
    && pip install --require-hashes --no-deps -r requirements.lock

# Model and app belong to root: the user who runs them cannot change them.
COPY app ./app
COPY model ./model
COPY pages ./pages
COPY LICENSE README.md ./

USER headscope
ENV HEADSCOPE_PUBLIC=1 \
    HEADSCOPE_UPLOAD_MEGABYTES=20
EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

# Inside a container the address is every one; which of them the world can reach is said by docker run -p.
CMD ["python", "-m", "streamlit", "run", "app", "--server.address=0.0.0.0", "--server.port=8501", \
     "--server.headless=true", "--server.maxUploadSize=20", "--server.showEmailPrompt=false"]
