# ./dev bench: prepares what bench/receive needs and runs it as a user that PostgreSQL accepts. Read by ./dev.

bench() {
    need_postgresql
    need /usr/bin/time time
    publish artifacts/publish

    # Where any user can read it, in case this directory is private.
    bench_directory=$(mktemp -d /tmp/barkeep-bench.XXXXXX)
    trap 'as_root rm -rf --one-file-system "$bench_directory"' EXIT
    cp bench/receive "$bench_directory"
    cp -a artifacts/publish "$bench_directory/bin"
    chmod 755 "$bench_directory"

    if [ "$(id -u)" = 0 ]; then
        chown -R postgres "$bench_directory"
        setpriv --reuid=postgres --regid=postgres --init-groups "$bench_directory/receive" "$bench_directory"
    else
        "$bench_directory/receive" "$bench_directory"
    fi
}
