using System.Globalization;
using Barkeep.Common;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Wal;

public sealed class ControlFileTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task It_says_what_pg_controldata_says(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions
        {
            Version = version,
            Configuration =
            [
                "max_connections = 41", "max_worker_processes = 42", "max_wal_senders = 13", "max_prepared_transactions = 44",
                "max_locks_per_transaction = 45", "wal_level = logical",
            ],
        });
        await cluster.SqlAsync("CREATE TABLE t (i int)");
        await cluster.StopImmediatelyAsync();

        var file = ControlFile.Parse(await ContentAsync(cluster));

        var said = (await cluster.Installation.RunAsync("pg_controldata", [cluster.DataDirectory], new Dictionary<string, string?> { ["LC_ALL"] = "C", ["TZ"] = "UTC" }))
            .Checked().OutputLines.Select(line => line.Split(':', 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim(), StringComparer.Ordinal);
        Assert.Equal(
            [
                said["pg_control version number"], said["Catalog version number"], said["Database system identifier"], said["Database cluster state"],
                DateTimeOffset.ParseExact(said["pg_control last modified"].Replace("  ", " ", StringComparison.Ordinal), "ddd MMM d HH:mm:ss yyyy", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).ToString("u"),
                said["Latest checkpoint location"], said["Latest checkpoint's REDO location"], said["Latest checkpoint's TimeLineID"],
                said["Minimum recovery ending location"], said["wal_level setting"], said["max_connections setting"],
                said["max_worker_processes setting"], said["max_wal_senders setting"], said["max_prepared_xacts setting"],
                said["max_locks_per_xact setting"], said["Database block size"], said["Blocks per segment of large relation"],
                said["WAL block size"], said["Bytes per WAL segment"], said["Data page checksum version"],
            ],
            new object[]
            {
                file.ControlVersion, file.CatalogVersion, file.SystemIdentifier, file.State == ClusterState.InProduction ? "in production" : "?",
                file.Time.ToString("u"),
                file.Checkpoint, file.Redo, file.Timeline.Value,
                file.MinRecoveryPoint, file.WalLevel == WalLevel.Logical ? "logical" : "?", file.MaxConnections,
                file.MaxWorkerProcesses, file.MaxWalSenders, file.MaxPreparedTransactions,
                file.MaxLocksPerTransaction, file.BlockSize, file.BlocksPerFile,
                file.WalBlockSize, file.SegmentSize.Bytes, file.DataChecksumVersion,
            }.Select(value => value.ToString()));
    }

    [Fact]
    public async Task A_flipped_bit_a_cut_and_a_strange_version_are_refused()
    {
        await using var cluster = await TestCluster.CreateAsync(new());
        var content = await ContentAsync(cluster);

        for (var bit = 0; bit < 8 * 292; bit++)
        {
            byte[] flipped = [.. content];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            var refusal = Assert.Throws<BarkeepException>(() => ControlFile.Parse(flipped));
            Assert.Equal(bit / 32 == 2 ? ErrorKind.UnsupportedServer : ErrorKind.Damaged, refusal.Kind);
        }
        Assert.Equal(ErrorKind.Damaged, Assert.Throws<BarkeepException>(() => ControlFile.Parse(content.AsSpan(0, 200))).Kind);
    }

    static Task<byte[]> ContentAsync(TestCluster cluster) => File.ReadAllBytesAsync(Path.Combine(cluster.DataDirectory, "global", "pg_control"));
}
