using System.Text;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>A postgresql.conf from the settings that a backup recorded, for a cluster whose own files are not in its data directory.</summary>
static class RecordedSettings
{
    // Places on the original host; a session's own; and what no configuration file may set (guc_tables.c, PGC_INTERNAL).
    static readonly HashSet<string> LeftOut =
    [
        "data_directory", "config_file", "hba_file", "ident_file", "external_pid_file", "unix_socket_directories", "stats_temp_directory",
        "application_name", "client_encoding", "is_superuser", "role", "session_authorization", "seed", "transaction_isolation", "transaction_read_only", "transaction_deferrable",
        "block_size", "data_checksums", "data_directory_mode", "debug_assertions", "effective_wal_level", "huge_pages_status", "in_hot_standby", "integer_datetimes",
        "lc_collate", "lc_ctype", "max_function_args", "max_identifier_length", "max_index_keys", "num_os_semaphores", "segment_size", "server_encoding",
        "server_version", "server_version_num", "shared_memory_size", "shared_memory_size_in_huge_pages", "ssl_library", "wal_block_size", "wal_segment_size",
    ];

    // Absolute paths in these stay; any other absolute path is the original host's.
    static readonly HashSet<string> MayBeAbsolute = ["archive_command", "restore_command", "dynamic_library_path", "timezone_abbreviations"];

    /// <summary>Whether a setting is written.</summary>
    public static bool IsKept(string name, string value) =>
        !LeftOut.Contains(name) && (!value.StartsWith('/') || MayBeAbsolute.Contains(name)) && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.');

    /// <summary>The file's lines. Settings that name places on the original's host, but for where its own files were, are left out as comments.</summary>
    public static IReadOnlyList<string> Write(BackupInfo info)
    {
        List<string> lines =
        [
            $"# Written by barkeep from the settings that server {info.Server} had when backup {info.BackupId} was taken:",
            "# its own configuration files are not in its data directory. Settings that name places on that host are left out.",
            "",
        ];
        foreach (var (name, value) in info.Settings.OrderBy(static s => s.Key, StringComparer.Ordinal))
        {
            if (IsKept(name, value))
            {
                lines.Add($"{name} = {Quote(value)}");
            }
            else if (value.StartsWith('/') && !RestoredConfiguration.Places.Contains(name))
            {
                lines.Add($"{RecoveryBlock.LeftOut}{name} = {Quote(value)}");
            }
        }
        return [.. lines, ""];
    }

    /// <summary>A value as configuration files have it: its UTF-8 bytes, one a character, as all their text is held.</summary>
    public static string Quote(string value) =>
        Encoding.Latin1.GetString(Encoding.UTF8.GetBytes($"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal).ReplaceLineEndings(" ")}'"));
}
