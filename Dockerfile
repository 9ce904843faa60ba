# The image montagu-barman: barkeep, its three links, and montagu's configuration.
#
#     ./dev image                 builds barkeep in SDK_IMAGE
#     ./dev image --prebuilt      copies a barkeep that was built outside; needs no registry
#
# BASE_IMAGE is any Debian or Ubuntu whose C library is not older than the one barkeep was linked with: the SDK image's.
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0
ARG BASE_IMAGE=debian:trixie-slim

FROM ${SDK_IMAGE} AS build
WORKDIR /src
COPY . .
# dist/ is there already when ./dev image --prebuilt made this build's context.
RUN test -x dist/barkeep || ./dev publish dist

FROM ${BASE_IMAGE}

# libssl for hashes and TLS (openssl brings it, under each release's name), the certificates, and time zones for the backups' ids (-e TZ=Europe/London).
RUN { ldconfig -p | grep -q 'libssl\.so\.3' && test -s /etc/ssl/certs/ca-certificates.crt && test -d /usr/share/zoneinfo/Europe; } || { \
        apt-get -qq -o Acquire::Check-Valid-Until=false update \
        && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends ca-certificates openssl tzdata >/dev/null \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*; \
    }

# Who it runs as. Barkeep needs no privilege, so the user is not root; docker exec is then not root either, and leaves no
# file that the next command cannot read. A data directory belongs to whoever restored it, and postgres starts only as its
# directory's owner: 999 is the user postgres of PostgreSQL's own image, so a restored volume is mounted there as it is.
# For another owner, restore as root: the files then get the owner of /restore (docs/operations.md).
# Group 0 may write, for platforms that give a container a random user in group 0.
RUN { getent group 999 >/dev/null || groupadd --system --gid 999 barman; } \
    && useradd --system --uid 999 --gid 999 --home-dir /var/lib/barman --no-create-home --shell /bin/sh barman \
    && install -d -o 999 -g 0 -m 770 /var/lib/barman /restore

COPY --from=build /src/dist/ /usr/local/bin/
COPY etc/barman.d.in/ /etc/barman.d.in/

USER 999:999
WORKDIR /var/lib/barman
VOLUME ["/var/lib/barman", "/restore"]

# Waits, and once setup-barman has been run keeps WAL streaming. No ENTRYPOINT: docker run … montagu-barman restore-last works too.
CMD ["barkeep", "serve"]
