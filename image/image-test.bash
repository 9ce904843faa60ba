# ./dev image-test: builds the image and uses it as the README says, with real containers, line by line. Read by ./dev.
#
# DB_IMAGE is a PostgreSQL image that takes POSTGRES_PASSWORD and POSTGRES_DB, such as postgres:17; without it one is built
# from BASE_IMAGE (or debian's slim image) and Debian's packages. CONTAINER is docker or podman.

checks=0 step_started=

step() {
    step_started=$EPOCHREALTIME
    printf '\n== %s\n' "$*"
}

took() { awk -v a="$step_started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'; }

# Prints a command as a user would type it, runs it, and keeps what it printed in $output and how it ended in $status.
run() {
    printf '$ %s\n' "${*/#$container/docker}"
    status=0
    output=$("$@" 2>&1) || status=$?
    [ -z "$output" ] || printf '%s\n' "$output" | awk '{ if (NR <= 60) print "    " $0 } END { if (NR > 60) print "    … " NR - 60 " more lines" }'
}

# ok WHAT CONDITION...: the condition holds, or the test ends here.
ok() {
    local what=$1
    shift
    if ! "$@"; then
        printf 'FAILED: %s\n' "$what"
        [ -z "${barman:-}" ] || $container logs "$barman" 2>&1 | tail -20 | sed 's/^/    barman: /'
        [ -z "${db:-}" ] || $container logs "$db" 2>&1 | tail -20 | sed 's/^/    db: /'
        exit 1
    fi
    checks=$((checks + 1))
    printf 'ok: %s\n' "$what"
}

# eventually SECONDS COMMAND...: true as soon as the command succeeds.
eventually() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.1
    done
}

says() { [[ $output == *"$1"* ]]; }
silent_about() { [[ $output != *"$1"* ]]; }

# The plain name where it is free, another one where somebody uses it.
free_name() {
    if $container "$1" inspect "$2" >/dev/null 2>&1; then echo "$2-$$"; else echo "$2"; fi
}

sql() { $container exec "$db" psql --no-psqlrc --quiet --no-align --tuples-only --username postgres --dbname montagu --command "$1"; }

# The digest of a table's rows.
digest() { sql "SELECT count(*) || ' rows ' || md5(string_agg(r::text, E'\n' ORDER BY id)) FROM $1 r"; }

start_db() {
    $container run --detach --label "$label" --name "$1" --network "$network" --network-alias db --volume "$2:/var/lib/postgresql/data" \
        --env POSTGRES_PASSWORD=of-the-superuser --env POSTGRES_DB=montagu --env PGDATA=/var/lib/postgresql/data "$DB_IMAGE" "${@:3}" >/dev/null
    # Over TCP: while PostgreSQL's own image makes a cluster, a server listens on the socket only.
    eventually 90 $container exec --env PGPASSWORD=of-the-superuser "$1" psql --username postgres --host 127.0.0.1 --dbname montagu --command 'SELECT 1'
}

backups() { $container exec "$barman" barman list-backup montagu --minimal | wc -l; }

# The receiver's process id inside the container, found without any tool that the image may lack.
receiver() {
    $container exec "$barman" sh -c 'for p in /proc/[0-9]*; do if tr "\0" " " <$p/cmdline 2>/dev/null | grep -q "receive-wal montag[u]"; then echo ${p#/proc/}; fi; done' | head -1
}
receiver_is_new() { local now; now=$(receiver); [ -n "$now" ] && [ "$now" != "$1" ]; }
zombies() { $container exec "$barman" sh -c 'cat /proc/[0-9]*/status 2>/dev/null | grep -c "^State:.Z" || true'; }
no_zombies() { [ "$(zombies)" = 0 ]; }

remove_all() {
    local ids
    set +e
    [ -z "${writer_pid:-}" ] || kill "$writer_pid" 2>/dev/null
    ids=$($container ps --all --quiet --filter "label=$label")
    [ -z "$ids" ] || $container rm --force --volumes $ids >/dev/null 2>&1
    ids=$($container volume ls --quiet --filter "label=$label")
    [ -z "$ids" ] || $container volume rm $ids >/dev/null
    [ -z "${network:-}" ] || $container network rm "$network" >/dev/null 2>&1
    rm -rf "$files"
}

finish_image_test() {
    local status=$?
    remove_all
    if [ "$status" = 0 ]; then
        printf '\nThe image does what the README says: %s checks passed, and everything made for them is removed.\n' "$checks"
    else
        printf '\nThe image test failed after %s checks.\n' "$checks"
    fi
    exit "$status"
}

make_db_image() {
    [ -z "${DB_IMAGE:-}" ] || return 0
    DB_IMAGE=montagu-barman-test-db
    local arguments=()
    [ -z "${BASE_IMAGE:-}" ] || arguments=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
    say "building $DB_IMAGE"
    $container build --quiet --tag "$DB_IMAGE" "${arguments[@]}" image/db >/dev/null
}

image_test() {
    image "$@"
    make_db_image

    label=barkeep-image-test=$$
    files=$(mktemp -d)
    trap finish_image_test EXIT
    trap 'exit 130' INT TERM
    network=$(free_name network pg_nw)
    local barman_name db_name data restore db_data volume
    barman_name=$(free_name container barman) db_name=$(free_name container db)
    data=$(free_name volume barman_data) restore=$(free_name volume barman_restore) db_data=$(free_name volume montagu_db)

    try_database
    try_idle_container
    try_setup
    try_barmans_commands
    try_receiver_killed
    try_disaster
    try_restored
    try_going_on
    try_volume_alone
    try_without_privilege
    try_stop
}

try_database() {
    step "A network, volumes, and a database container named db"
    $container network create "$network" >/dev/null
    for volume in "$data" "$restore" "$db_data"; do $container volume create --label "$label" "$volume" >/dev/null; done
    db=$db_name
    ok "the database starts" start_db "$db" "$db_data" postgres -c log_connections=on -c log_destination=stderr
    sql "CREATE TABLE estimate AS SELECT n AS id, md5(n::text) AS country, random() AS value FROM generate_series(1, 300000) n;
        ALTER TABLE estimate ADD PRIMARY KEY (id);
        CREATE TABLE burden_estimate AS SELECT n AS id, 0::bigint AS value FROM generate_series(1, 1000) n;
        CREATE TABLE correction (number bigint PRIMARY KEY, burden_estimate bigint, amount integer)"
    before=$(digest estimate)
    ok "the database has data: $before" [ -n "$before" ]
}

try_idle_container() {
    step "The container waits, and does nothing to the database before setup"
    cat >"$files/env" <<'ENV'
BARMAN_MONTAGU_PASS_BACKUP=secret-of-barman
BARMAN_MONTAGU_PASS_STREAM=secret-of-streaming-barman
ENV
    barman=$barman_name
    run $container run -d --rm --label "$label" --name "$barman" --network "$network" -v "$data:/var/lib/barman" -v "$restore:/restore" --env-file "$files/env" "$IMAGE"
    ok "it starts" [ "$status" = 0 ]
    run $container exec "$barman" barman cron
    sleep 3
    ok "it stays up" [ "$($container inspect --format '{{.State.Running}}' "$barman")" = true ]
    ok "it has not connected to the database" bash -c "! $container logs $db 2>&1 | grep -E 'connection received: host=[0-9]' | grep -v 'host=127.0.0.1'"
}

try_setup() {
    step "Roles, pg_hba.conf and setup-barman"
    printf '$ docker exec barman setup-barman --print-sql | docker exec -i db psql -U postgres -d montagu\n'
    $container exec "$barman" setup-barman --print-sql >"$files/roles.sql"
    sed 's/^/    /' "$files/roles.sql"
    $container exec -i "$db" psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 -U postgres -d montagu <"$files/roles.sql"
    ok "the roles are no superusers" [ "$(sql "SELECT count(*) FROM pg_roles WHERE rolname IN ('barman', 'streaming_barman') AND NOT rolsuper")" = 2 ]
    $container exec "$db" sh -c 'echo "host replication streaming_barman all scram-sha-256" >>"$PGDATA/pg_hba.conf"'
    sql "SELECT pg_reload_conf()" >/dev/null

    run $container exec "$barman" setup-barman
    ok "setup-barman ends with status 0" [ "$status" = 0 ]
    ok "it reaches 'Checking barman status of montagu'" says "Checking barman status of montagu"
    ok "it shows no password" silent_about secret-of
    printf 'setup-barman took %s s\n' "$(took)"
    ok "it took one backup" [ "$(backups)" = 1 ]

    run $container exec "$barman" setup-barman
    ok "a rerun ends with status 0" [ "$status" = 0 ]
    ok "a rerun takes no second backup" [ "$(backups)" = 1 ]
}

try_barmans_commands() {
    local command id
    step "Barman's commands"
    for command in "list-backup all" "list-servers" "cron" "cron" "check montagu" "status montagu" "backup montagu" "list-backup montagu" \
        "show-backup montagu latest" "list-files montagu latest" "switch-wal --force --archive montagu" "switch-xlog montagu" "check-backup montagu latest" \
        "-f json list-backup montagu" "-f json check montagu"; do
        run $container exec "$barman" barman $command
        ok "barman $command ends with status 0" [ "$status" = 0 ]
        ok "barman $command shows no password" silent_about secret-of
    done
    ok "there are two backups" [ "$(backups)" = 2 ]
    id=$($container exec "$barman" barman list-backup montagu --minimal | tail -1)
    run $container exec "$barman" barman delete montagu "$id"
    ok "barman delete ends with status 0" [ "$status" = 0 ]
    ok "one backup is left" [ "$(backups)" = 1 ]
    run $container exec "$barman" barman receive-wal montagu
    ok "a second receiver is refused" [ "$status" != 0 ]
    run $container exec "$barman" barman check nobody
    ok "an unknown server has an exit code of its own" [ "$status" = 11 ]
}

try_receiver_killed() {
    local pid
    step "The receiver is killed while the database is written to; cron restarts it"
    sql "ALTER SYSTEM SET synchronous_standby_names = 'barman_receive_wal'" && sql "SELECT pg_reload_conf()" >/dev/null
    demo/writer "$files/ledger" $container exec -i "$db" psql --username postgres --dbname montagu &
    writer_pid=$!
    ok "commits are acknowledged" eventually 20 test -s "$files/ledger"
    pid=$(receiver)
    $container exec "$barman" kill -9 "$pid" 2>/dev/null || $container exec "$barman" sh -c "kill -9 $pid"
    run $container exec "$barman" barman cron
    ok "cron ends with status 0" [ "$status" = 0 ]
    ok "another receiver runs" eventually 30 receiver_is_new "$pid"
    local lines
    lines=$(wc -l <"$files/ledger")
    ok "commits are acknowledged again" eventually 30 bash -c "[ \$(wc -l <'$files/ledger') -gt $((lines + 100)) ]"
    $container exec "$barman" sh -c '(sleep 0.1 &)'
    sleep 0.3
    ok "no zombie is left" eventually 5 no_zombies
}

try_disaster() {
    step "The database is killed in the middle of its work, and its volume removed"
    run $container exec "$barman" barman backup montagu
    ok "a backup under load ends with status 0" [ "$status" = 0 ]
    moment=$(sql 'SELECT clock_timestamp()')
    at_moment=$(wc -l <"$files/ledger")
    ok "work goes on" eventually 20 bash -c "[ \$(wc -l <$files/ledger) -gt $((at_moment + 3)) ]"
    $container kill --signal KILL "$db" >/dev/null
    wait "$writer_pid" || true
    writer_pid=
    $container rm --force "$db" >/dev/null
    $container volume rm "$db_data" >/dev/null
    db=
    printf '%s commits had been acknowledged\n' "$(wc -l <"$files/ledger")"
    step_started=$EPOCHREALTIME
    run $container exec "$barman" restore-last
    ok "restore-last ends with status 0, without a server" [ "$status" = 0 ]
    printf 'restore-last took %s s\n' "$(took)"
}

try_restored() {
    local found missing
    step "A stock postgres on the restored volume"
    db=$db_name-restored
    ok "it starts" start_db "$db" "$restore"
    printf 'it answered after %s s\n' "$(took)"
    # The network's names follow a moment after the container that has them.
    ok "its name is known" eventually 10 $container exec "$barman" getent hosts db
    ok "it is open for writing" [ "$(sql 'SELECT pg_is_in_recovery()')" = f ]
    ok "the estimates are the same: $before" [ "$(digest estimate)" = "$before" ]
    sql "SELECT number FROM correction" | sort >"$files/found"
    cut -d' ' -f1 "$files/ledger" | sort >"$files/acknowledged"
    found=$(wc -l <"$files/found") missing=$(comm -13 "$files/found" "$files/acknowledged" | wc -l)
    printf '%s rows acknowledged, %s rows found, %s missing\n' "$(wc -l <"$files/acknowledged")" "$found" "$missing"
    ok "no acknowledged row is missing" [ "$missing" = 0 ]
    ok "each commit is there whole" [ "$(sql 'SELECT (SELECT sum(value) FROM burden_estimate) = (SELECT sum(amount) FROM correction)')" = t ]
    ok "it can be written to" timeout 20 $container exec "$db" psql --username postgres --dbname montagu --quiet --command "INSERT INTO correction VALUES (-1, 1, 0)"
}

try_without_privilege() {
    step "Under another user, read-only and without capabilities, as strict platforms run it"
    run $container run --rm --label "$label" --user 10123:0 --read-only --cap-drop all --security-opt no-new-privileges --network none \
        --env-file "$files/env" "$IMAGE" setup-barman --no-verify --no-initial-backup
    ok "setup-barman writes its configuration" [ "$status" = 0 ]
}

# The restored database takes the old one's place, as after a disaster.
try_going_on() {
    step "setup-barman again: the restored database is backed up from now on"
    run $container exec "$barman" setup-barman
    ok "setup-barman ends with status 0" [ "$status" = 0 ]
    run $container exec "$barman" barman backup montagu
    ok "a backup of the restored database ends with status 0" [ "$status" = 0 ]
    run $container exec "$barman" barman check montagu
    ok "every check passes" [ "$status" = 0 ]
}

# The volume with the backups is all that a restore needs: neither the container that made them nor a network nor any variable.
try_volume_alone() {
    step "Restores from the volume alone, one of them as root for another owner"
    run $container run --rm --label "$label" --network none -v "$data:/var/lib/barman" "$IMAGE" restore-last
    ok "restore-last ends with status 0 in another container" [ "$status" = 0 ]
    run $container run --rm --label "$label" --network none -v "$data:/var/lib/barman" "$IMAGE" sh -c \
        "barman targets montagu --around '$moment' && barman restore --target-time '$moment' montagu auto /restore"
    ok "a restore to a moment before the end finds its backup and its last transaction" says "recovery stops before transaction"
    ok "and ends with status 0" [ "$status" = 0 ]
    run $container run --rm --label "$label" --network none --user 0 -v "$data:/var/lib/barman" "$IMAGE" \
        sh -c 'chown 70:70 /restore && restore-last && find /restore ! -user 70 && find /var/lib/barman -user 0'
    ok "as root it ends with status 0" [ "$status" = 0 ]
    ok "the files belong to the directory's owner, and nothing among the backups to root" [ "$(printf '%s\n' "$output" | tail -1)" = "Your PostgreSQL server has been successfully prepared for recovery!" ]
}

try_stop() {
    step "It stops at once"
    step_started=$EPOCHREALTIME
    run $container stop --time 10 "$barman"
    local seconds
    seconds=$(took)
    if ! awk -v s="$seconds" 'BEGIN { exit !(s < 2) }'; then
        $container run --rm -v "$data:/var/lib/barman" "$IMAGE" sh -c 'tail -30 log/*' | sed 's/^/    /'
    fi
    ok "stopped in $seconds s" awk -v s="$seconds" 'BEGIN { exit !(s < 2) }'
    ok "and is removed" eventually 5 bash -c "! $container container inspect $barman"
    barman=
}
