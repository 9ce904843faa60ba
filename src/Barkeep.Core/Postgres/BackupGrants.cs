namespace Barkeep.Postgres;

/// <summary>The privileges that Barkeep's SQL role needs in the database that it connects to, unless it is a superuser.</summary>
public static class BackupGrants
{
    /// <summary>One privilege: what is granted, the statement for a role, and how to ask whether the session's role has it.</summary>
    /// <param name="Subject"><c>EXECUTE ON FUNCTION pg_catalog.pg_switch_wal()</c>, or a role's name.</param>
    /// <param name="Probe">An SQL expression that is true when the privilege is there.</param>
    /// <param name="IsForBackup">Whether a backup needs it; else only the switching of WAL does.</param>
    public readonly record struct Grant(string Subject, string Probe, bool IsForBackup)
    {
        /// <summary>The statement that a superuser runs.</summary>
        public string StatementFor(string role) => $"GRANT {Subject} TO {QuoteIdentifier(role)}";
    }

    /// <summary>All of them.</summary>
    /// <param name="majorVersion">15 for PostgreSQL 15.x.</param>
    public static IReadOnlyList<Grant> All(int majorVersion)
    {
        string[] functions =
        [
            .. majorVersion >= 15
                ? (string[])["pg_backup_start(text, boolean)", "pg_backup_stop(boolean)"]
                : ["pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)"],
            "pg_ls_dir(text, boolean, boolean)",
            "pg_stat_file(text, boolean)",
            "pg_read_binary_file(text, bigint, bigint, boolean)",
        ];
        return
        [
            Member("pg_read_all_settings", isForBackup: true),
            .. functions.Select(static f => Function(f, isForBackup: true)),
            Function("pg_switch_wal()", isForBackup: false),
            Member("pg_monitor", isForBackup: false),
        ];
    }

    /// <summary>Those that the session's role lacks; none for a superuser.</summary>
    public static async Task<IReadOnlyList<Grant>> MissingAsync(SqlSession session, CancellationToken cancellationToken)
    {
        var all = All(session.VersionNumber / 10_000);
        var missing = await session.ListAsync(
            "checking the backup role's privileges",
            string.Join(" UNION ALL ", all.Select(static (g, i) => $"SELECT {i} WHERE NOT ({g.Probe})")),
            static r => r.GetInt32(0),
            cancellationToken);
        return [.. missing.Order().Select(i => all[i])];
    }

    static Grant Function(string function, bool isForBackup) =>
        new($"EXECUTE ON FUNCTION pg_catalog.{function}", $"has_function_privilege('pg_catalog.{function}', 'EXECUTE')", isForBackup);

    static Grant Member(string role, bool isForBackup) => new(role, $"pg_has_role('{role}', 'USAGE')", isForBackup);

    /// <summary>A name as SQL takes it.</summary>
    public static string QuoteIdentifier(string name) =>
        name.Length > 0 && name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_') && !char.IsAsciiDigit(name[0])
            ? name
            : $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
