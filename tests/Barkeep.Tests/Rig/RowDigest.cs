using Npgsql;

namespace Barkeep.Tests.Rig;

/// <summary>
/// What a running cluster holds: for every table of every database the number of rows and a hash that does not depend
/// on their order.
/// </summary>
public sealed class RowDigest
{
    const string TablesQuery = """
        SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        ORDER BY 1
        """;

    RowDigest(IReadOnlyDictionary<string, string> tables) => Tables = tables;

    /// <summary>Database and table to rows and hash, for people to read when they differ.</summary>
    public IReadOnlyDictionary<string, string> Tables { get; }

    /// <summary>Reads every row; the cluster should be at rest.</summary>
    public static async Task<RowDigest> TakeAsync(TestCluster cluster)
    {
        var tables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var database in await cluster.ListAsync("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"))
        {
            await using var connection = await cluster.OpenAsync(database: database);
            foreach (var table in await cluster.ListAsync(TablesQuery, database))
            {
                await using var command = new NpgsqlCommand(
                    $"SELECT count(*) || ' rows, hash ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ONLY {table} t", connection);
                tables[$"{database}: {table}"] = (string)(await command.ExecuteScalarAsync())!;
            }
            await using var objects = new NpgsqlCommand(
                "SELECT count(*) || ' pages, hash ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM pg_largeobject t", connection);
            tables[$"{database}: large objects"] = (string)(await objects.ExecuteScalarAsync())!;
        }
        return new(tables);
    }

    /// <summary>The differences, one line each; empty when both hold the same rows.</summary>
    public IReadOnlyList<string> Differences(RowDigest other) =>
    [
        .. Tables.Keys.Union(other.Tables.Keys)
            .Select(table => (Table: table, Here: Tables.GetValueOrDefault(table, "no such table"), There: other.Tables.GetValueOrDefault(table, "no such table")))
            .Where(row => row.Here != row.There)
            .Select(row => $"{row.Table}: {row.Here}; other: {row.There}"),
    ];
}
