namespace Barkeep.Tests.Rig;

/// <summary>Checks a running cluster with PostgreSQL's own means: every heap and every index with amcheck, every page's checksum.</summary>
static class ClusterSoundness
{
    /// <summary>Fails when anything is wrong. Stops the server, since pg_checksums wants it stopped.</summary>
    /// <param name="hasChecksums">False for a cluster without: then there is nothing that pg_checksums could check.</param>
    public static async Task CheckAndStopAsync(TestCluster cluster, bool hasChecksums = true)
    {
        foreach (var database in await cluster.ListAsync("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"))
        {
            await cluster.SqlAsync("CREATE EXTENSION IF NOT EXISTS amcheck", database);
            if (cluster.Version >= 14)
            {
                (await cluster.RunAsync("pg_amcheck", "--database", database, "--heapallindexed")).Checked();
            }
            else
            {
                await cluster.SqlAsync("SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.relkind = 'i' AND a.amname = 'btree' AND c.relpersistence = 'p'", database);
            }
        }
        await cluster.StopAsync();
        if (hasChecksums)
        {
            (await cluster.RunAsync("pg_checksums", "--check", "--pgdata", cluster.DataDirectory)).Checked();
        }
    }
}
