# ./dev demo: prepares what demo/run needs and runs it as a user that PostgreSQL accepts. Read by ./dev.

demo() {
    local binaries
    need_postgresql
    need pgrep procps
    publish artifacts/publish

    # Where any user can read it, in case this directory is private.
    demo_directory=$(mktemp -d /tmp/barkeep-demo.XXXXXX)
    trap 'as_root rm -rf --one-file-system "$demo_directory"' EXIT
    trap : INT TERM # demo/run gets them too, and cleans up
    cp demo/run demo/writer demo/data.sql "$demo_directory"
    cp -a artifacts/publish "$demo_directory/bin"
    chmod 755 "$demo_directory"

    if [ "$(id -u)" = 0 ]; then
        chown -R postgres "$demo_directory"
        setpriv --reuid=postgres --regid=postgres --init-groups "$demo_directory/run" "$demo_directory" "$@"
    else
        "$demo_directory/run" "$demo_directory" "$@"
    fi
}
