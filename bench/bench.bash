# ./dev bench: prepares the peers and the executable, then runs the benchmark where nothing of it can be left behind. Read by ./dev.

bench() {
    # Anything but measuring needs no preparation.
    need_sdk
    dotnet build bench/Barkeep.Bench.csproj -noAutoResponse -c Release -v quiet
    case " $* " in *" --help "* | *" --report "*) dotnet artifacts/bin/Barkeep.Bench/release/Barkeep.Bench.dll "$@"; return ;; esac

    need /usr/bin/time time
    prepare_servers 18
    as_root "$PWD/dev" bench-peers
    publish artifacts/publish

    # Everything that the benchmark writes is below this directory; data sets that take long to make are kept in the cache.
    bench_directory=$(mktemp -d /var/tmp/barkeep-bench.XXXXXX)
    trap 'as_root rm -rf --one-file-system "$bench_directory"' EXIT
    trap : INT TERM # the benchmark gets them too, and the directory is removed behind it
    chmod 755 "$bench_directory"
    cp -a artifacts/publish "$bench_directory/bin"
    as_root chown -R postgres "$bench_directory"
    as_root install -d -o postgres "$CACHE/bench"
    as_root "$PWD/dev" bench-inside "$bench_directory" "$@"
    as_root chown -R --reference=bench/bench.bash bench/results bench/RESULTS.md
}

# The chroot with PostgreSQL 18 and the newest pgBackRest, Barman and rsync that its Debian has. Runs as root.
prepare_peers() {
    local root=$CACHE/peers building=$CACHE/peers.building
    [ ! -e "$root/.peers" ] || return 0
    say "preparing the peers"
    rm -rf --one-file-system "$building"
    cp -a "$CACHE/pg18" "$building"
    inside "$building" apt-get -qq update
    inside "$building" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends \
        pgbackrest barman rsync >"$CACHE/peers.log" 2>&1 || { tail -20 "$CACHE/peers.log" >&2; die "the peers could not be installed"; }
    inside "$building" apt-get clean
    touch "$building/.peers"
    mv "$building" "$root"
}

# Runs the benchmark, as root, with mounts and processes of its own: both end with it, however it ends.
# The directory is /mnt there, and in the chroot too, so that a path means the same everywhere.
bench_inside() {
    local directory=$1
    shift
    unshare --mount --pid --fork --kill-child sh -euc '
        root=$1 directory=$2 cache=$3
        shift 3
        mount -t proc proc /proc
        mount -t proc proc "$root/proc"
        mkdir -p "$root/dev/shm"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" # Barman counts its processes there
        mount --bind "$directory" /mnt
        mkdir /mnt/cache
        mount --bind "$cache" /mnt/cache
        mount --rbind /mnt "$root/mnt"
        BENCH_PEERS=$root dotnet artifacts/bin/Barkeep.Bench/release/Barkeep.Bench.dll "$@"
    ' sh "$CACHE/peers" "$directory" "$CACHE/bench" "$@"
}
