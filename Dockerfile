# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
FROM python:3.13.9-slim-trixie AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13.9-slim-trixie
RUN useradd --system --uid 10001 --create-home volme && install -d -o volme /var/lib/volme
COPY --from=build /venv /venv
USER volme
ENV PATH=/venv/bin:$PATH VOLME_CONFIG=/etc/volme/city.toml
WORKDIR /var/lib/volme
VOLUME /var/lib/volme
EXPOSE 8080 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD \
  ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["volme"]
CMD ["run"]
