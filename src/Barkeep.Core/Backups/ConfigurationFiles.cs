using Barkeep.Common;
using Barkeep.Postgres;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>The server's configuration files that lie outside its data directory, as Debian's do.</summary>
static class ConfigurationFiles
{
    const int MaximumLength = 1 << 20;

    /// <summary>Reads those that the role may read.</summary>
    /// <returns>Their entries, and the paths of those that it may not read.</returns>
    public static async Task<(List<ManifestEntry> Read, List<string> Unread)> ReadAsync(SqlSession session, ServerFacts facts, CancellationToken cancellationToken)
    {
        const string Doing = "finding configuration files";
        // Both views need privileges of their own, and the second exists since 10, its file names since 16.
        var mayReadFiles = await session.ScalarAsync<bool>(Doing, "SELECT has_function_privilege('pg_show_all_file_settings()', 'EXECUTE')", cancellationToken);
        var mayReadRules = facts.MajorVersion >= 16
            && await session.ScalarAsync<bool>(Doing, "SELECT has_function_privilege('pg_hba_file_rules()', 'EXECUTE')", cancellationToken);
        var paths = await session.ListAsync(
            Doing,
            $"""
            SELECT DISTINCT path FROM (
                SELECT setting AS path FROM pg_settings WHERE name IN ('config_file', 'hba_file', 'ident_file')
                UNION ALL SELECT sourcefile FROM pg_settings
                {(mayReadFiles ? "UNION ALL SELECT sourcefile FROM pg_file_settings" : "")}
                {(mayReadRules ? "UNION ALL SELECT file_name FROM pg_hba_file_rules" : "")}
            ) AS named WHERE path <> '' ORDER BY path
            """,
            static r => r.GetString(0),
            cancellationToken);
        var read = new List<ManifestEntry>();
        var unread = new List<string>();
        foreach (var path in paths.Where(p => !p.StartsWith(facts.DataDirectory.TrimEnd('/') + "/", StringComparison.Ordinal)))
        {
            if (await TryReadAsync(session, path, cancellationToken) is { } content)
            {
                read.Add(ManifestEntry.External(path, content));
            }
            else
            {
                unread.Add(path);
            }
        }
        return (read, unread);
    }

    static async Task<byte[]?> TryReadAsync(SqlSession session, string path, CancellationToken cancellationToken)
    {
        try
        {
            PathGrammar.Check("the server", path, ManifestEntryKind.External);
            var sql = $"SELECT pg_read_binary_file({SqlSession.Quote(path)}, 0, {MaximumLength}, true)";
            return (await session.ListAsync($"reading {path}", sql, static r => r.IsDBNull(0) ? null : r.GetFieldValue<byte[]>(0), cancellationToken))[0];
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.MissingGrant or ErrorKind.ServerError or ErrorKind.HostilePath)
        {
            // The role may not, or the server itself may not: the caller lists the file as unread.
            return null;
        }
    }
}
