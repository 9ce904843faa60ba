namespace Barkeep.Tests.Rig;

/// <summary>The two roles that Barkeep connects as, under their usual names.</summary>
public sealed record BarkeepRoles(string BackupPassword, string StreamPassword)
{
    public const string Backup = "barman";
    public const string Stream = "streaming_barman";

    /// <summary>What a backup role that is no superuser needs in the database that it connects to.</summary>
    internal static IEnumerable<string> Grants(int version)
    {
        string[] functions =
        [
            .. version >= 15
                ? (string[])["pg_backup_start(text, boolean)", "pg_backup_stop(boolean)"]
                : ["pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)"],
            "pg_read_binary_file(text)",
            "pg_read_binary_file(text, bigint, bigint, boolean)",
            "pg_stat_file(text, boolean)",
            "pg_ls_dir(text, boolean, boolean)",
            "pg_switch_wal()",
        ];
        string[] roles = ["pg_monitor", "pg_read_all_settings"];
        return
        [
            .. functions.Select(function => $"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {Backup}"),
            .. roles.Select(role => $"GRANT {role} TO {Backup}"),
        ];
    }
}
