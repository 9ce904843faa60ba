# The container image: what ./dev image does, and what ./dev image-test shares with it. Read by ./dev.

IMAGE=${IMAGE:-montagu-barman}

# Sets $container: CONTAINER, or docker where its daemon answers, or podman, which is installed when there is neither.
pick_container() {
    if [ -n "${CONTAINER:-}" ]; then
        container=$CONTAINER
    elif docker info >/dev/null 2>&1; then
        container=docker
    else
        need podman podman netavark aardvark-dns
        container=podman
    fi
}

# A base image made with debootstrap, for where no registry is reachable. Prints its name.
# The suite is this machine's, so that the image's C library is the one barkeep is linked with here.
make_base() {
    local suite name root
    suite=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME" || echo bookworm)
    name=localhost/barkeep-base:$suite
    if ! $container image inspect "$name" >/dev/null 2>&1; then
        need debootstrap debootstrap
        say "making $name with debootstrap"
        root=$(mktemp -d)
        as_root debootstrap --variant=minbase "$suite" "$root/tree" http://deb.debian.org/debian >"$root/log" || { tail "$root/log" >&2; die "debootstrap failed"; }
        as_root tar -C "$root/tree" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
            --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' --numeric-owner -c . |
            $container import --change 'CMD ["/bin/bash"]' - "$name" >/dev/null
        as_root rm -rf --one-file-system "$root"
    fi
    echo "$name"
}

# Some hosts (a container without CAP_SYS_RESOURCE, hybrid cgroups) cannot run podman's defaults; runc and less of it will do.
settle_podman() {
    [ "$container" = podman ] || return 0
    $container run --rm "$1" true 2>/dev/null && return
    say "podman's default runtime does not work here; trying runc"
    need runc runc
    need iptables iptables
    need /usr/lib/podman/aardvark-dns netavark aardvark-dns
    mkdir -p artifacts
    cat >artifacts/containers.conf <<'CONF'
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
CONF
    export CONTAINERS_CONF=$PWD/artifacts/containers.conf
    $container run --rm "$1" true || die "podman cannot run a container here"
}

# image [--prebuilt [DIR]]: DIR holds a barkeep that is built already (./dev publish DIR); without it one is built on this machine.
image() {
    local context=. arguments=() binaries
    pick_container
    case ${1:-} in
        '')
            [ -z "${SDK_IMAGE:-}" ] || arguments+=(--build-arg "SDK_IMAGE=$SDK_IMAGE")
            [ -z "${BASE_IMAGE:-}" ] || settle_podman "$BASE_IMAGE"
            ;;
        --prebuilt)
            binaries=${2:-artifacts/publish}
            [ $# -gt 1 ] || publish "$binaries"
            [ -x "$binaries/barkeep" ] || die "$binaries holds no barkeep; ./dev publish $binaries makes one"
            BASE_IMAGE=${BASE_IMAGE:-$(make_base)}
            settle_podman "$BASE_IMAGE"
            context=artifacts/image
            rm -rf "$context"
            mkdir -p "$context/dist"
            cp -a Dockerfile etc "$context"
            cp -a "$binaries"/{barkeep,barman,setup-barman,restore-last} "$context/dist"
            arguments+=(--build-arg "SDK_IMAGE=$BASE_IMAGE")
            ;;
        *) die "image takes --prebuilt and a directory, or nothing" ;;
    esac
    [ -z "${BASE_IMAGE:-}" ] || arguments+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
    say "building $IMAGE with $container"
    $container build --tag "$IMAGE" "${arguments[@]}" "$context" >&2 ||
        die "the image was not built; where no registry is reachable, use ./dev image --prebuilt"
    $container image inspect --format "$IMAGE: {{.Size}} bytes" "$IMAGE"
}
