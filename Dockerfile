# The program on a C library and nothing else: no shell, not root.
#   docker build -t status .
#   docker run -d --env-file status.env -p 127.0.0.1:3007:3007 -v status:/var/lib/status \
#     --read-only --cap-drop ALL --security-opt no-new-privileges status
# It writes to the volume alone, and needs no /tmp.
# deploy/status.env says which settings there are.

# Deno comes from npm, at the version that .deno-version pins for all.
FROM node:22-bookworm-slim AS compile
WORKDIR /status
COPY .deno-version deno.json deno.lock main.ts ./
COPY scripts/compile.ts scripts/
COPY docs/openapi.json docs/
COPY src src
RUN npx --yes "deno@$(cat .deno-version)" task compile && mkdir store

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=compile /status/build/status /usr/local/bin/status
COPY LICENSE docs/licences.txt /usr/share/doc/status/
# A volume takes over its owner from here.
COPY --from=compile --chown=65532:65532 /status/store /var/lib/status
# Trusts the certificate authorities of the image too, and those that are mounted over them.
ENV STATUS_HOST_SERVE=0.0.0.0 STATUS_LOG_FILE=stdout DENO_TLS_CA_STORE=mozilla,system
USER 65532:65532
VOLUME /var/lib/status
EXPOSE 3007
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["status", "healthcheck"]
ENTRYPOINT ["status"]
CMD ["serve"]
