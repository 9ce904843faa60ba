namespace Barkeep.Backups;

/// <summary>
/// What a base backup leaves out, as pg_basebackup does (protocol-replication.html, BASE_BACKUP; basebackup.c), and what
/// only a restore may make.
/// </summary>
static class Exclusions
{
    /// <summary>Directories that are kept empty: the server clears or rebuilds their contents when it starts; WAL is kept apart.</summary>
    public static readonly IReadOnlyList<string> EmptyDirectories =
    [
        "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans", "pg_wal",
    ];

    /// <summary>The prefix of names of temporary files and of the directories that hold them.</summary>
    public const string TemporaryPrefix = "pgsql_tmp";

    static readonly HashSet<string> Names = new(StringComparer.Ordinal)
    {
        "postgresql.auto.conf.tmp", "current_logfiles.tmp", "backup_label", "tablespace_map", "backup_manifest", "postmaster.pid", "postmaster.opts",
    };

    static readonly HashSet<string> Paths = new(StringComparer.Ordinal)
    {
        "backup_label.old", "tablespace_map.old", "recovery.signal", "standby.signal", "barkeep.restored", "barkeep.restored.new", "barkeep.unfinished-restore", "barkeep.unfinished-restore.new",
        // Read last, when everything else has been.
        "global/pg_control",
    };

    /// <summary>Whether a file or directory is left out for its name alone.</summary>
    public static bool Contains(string path)
    {
        var name = path[(path.LastIndexOf('/') + 1)..];
        return name.StartsWith(TemporaryPrefix, StringComparison.Ordinal)
            || name.StartsWith("pg_internal.init", StringComparison.Ordinal)
            || Names.Contains(name)
            || Paths.Contains(path)
            || RelationFile.IsTemporary(path);
    }
}
