using System.Text;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Wal;

public sealed class BackupLabelTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task It_reads_what_a_server_wrote_for_a_backup_from_the_primary_and_from_a_standby(int version)
    {
        await using var primary = await TestCluster.StartNewAsync(version);
        await using var standby = await primary.StartStandbyAsync();

        var fromPrimary = await LabelAsync(primary, "one label: with a colon");
        var fromStandby = await LabelAsync(standby, "two");

        Assert.Equal(new(await AskAsync(primary, "redo_lsn"), await AskAsync(primary, "checkpoint_lsn"), TimelineId.First, FromStandby: false), fromPrimary);
        Assert.Equal(new(await AskAsync(standby, "redo_lsn"), await AskAsync(standby, "checkpoint_lsn"), TimelineId.First, FromStandby: true), fromStandby);
    }

    [Theory]
    [InlineData("")]
    [InlineData("START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n")]
    [InlineData("CHECKPOINT LOCATION: 0/2000060\n")]
    [InlineData("START WAL LOCATION: 0/2000028\nCHECKPOINT LOCATION: 0/2000060\n")]
    [InlineData("START WAL LOCATION: 0/2000028 (file 00000001000000000000000)\nCHECKPOINT LOCATION: 0/2000060\n")]
    [InlineData("START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: here\n")]
    [InlineData("START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\nSTART TIMELINE: 0\n")]
    public void A_label_without_its_lines_is_refused(string content) =>
        Assert.Throws<FormatException>(() => BackupLabel.Parse(Encoding.UTF8.GetBytes(content)));

    static async Task<Lsn> AskAsync(TestCluster cluster, string what) => Lsn.Parse(await cluster.ScalarAsync<string>($"SELECT {what}::text FROM pg_control_checkpoint()"));

    static async Task<BackupLabel> LabelAsync(TestCluster cluster, string label)
    {
        var target = await cluster.NewDirectoryAsync("base");
        (await cluster.RunAsync("pg_basebackup", "--pgdata", target, "--checkpoint=fast", "--label", label, "--no-sync", "--wal-method=none")).Checked();
        return BackupLabel.Parse(await File.ReadAllBytesAsync(Path.Combine(target, "backup_label")));
    }
}
