using System.Globalization;
using Barkeep.Packs;
using Barkeep.Postgres;

namespace Barkeep.Backups;

/// <summary>Names the relations that damaged pages belong to, as far as the connected database knows them.</summary>
static class RelationNames
{
    const uint GlobalTablespace = 1664;

    public static async Task<IReadOnlyList<DamagedPage>> AddAsync(SqlSession session, ServerFacts facts, IReadOnlyList<DamagedPage> damaged, CancellationToken cancellationToken)
    {
        var names = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var file in damaged.Select(static d => d.File).Distinct())
        {
            names[file] = await FindAsync(session, facts, file, cancellationToken);
        }
        return [.. damaged.Select(d => d with { Relation = names[d.File] })];
    }

    static async Task<string?> FindAsync(SqlSession session, ServerFacts facts, string path, CancellationToken cancellationToken)
    {
        if (!RelationFile.TryParse(path, out var file))
        {
            return null;
        }
        var parts = file.Directory.Split('/');
        uint? tablespace = parts switch
        {
            ["global"] => GlobalTablespace,
            ["base", var database] when IsConnected(database) => 0,
            ["pg_tblspc", var oid, _, var database] when IsConnected(database) => uint.Parse(oid, NumberStyles.None, CultureInfo.InvariantCulture),
            _ => null,
        };
        if (tablespace is null)
        {
            return null;
        }
        var found = await session.ListAsync(
            "naming a damaged relation",
            $"""
            SELECT current_database() || '.' || n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = pg_filenode_relation({tablespace}, {file.Number})
            """,
            static r => r.GetString(0),
            cancellationToken);
        return found.FirstOrDefault();

        bool IsConnected(string database) => database == facts.DatabaseOid.ToString(CultureInfo.InvariantCulture);
    }
}
