using System.Globalization;
using Barkeep.Received;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>A receiver that runs for years: what it takes after many segments is what it took after a few.</summary>
public sealed class SoakTests
{
    const int FirstSegments = 60;

    /// <summary>What a runtime's heap may wander by, in bytes.</summary>
    const long Wander = 24 << 20;

    [Fact]
    public Task S6_a_receiver_takes_no_more_memory_files_and_threads_after_many_segments() => SoakAsync(240);

    [Fact]
    [Trait("Category", "slow")]
    public Task S6_a_receiver_takes_no_more_memory_files_and_threads_after_thousands_of_segments() => SoakAsync(10_000);

    static async Task SoakAsync(int segments)
    {
        await using var reception = await Reception.PrepareAsync(new() { Configuration = ["max_wal_size = 64MB"] });
        await reception.CreateSlotAsync();
        await using var receiver = reception.StartProcess();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await WriteAsync(reception, FirstSegments);
        var before = Taken.By(receiver.Pid);
        await WriteAsync(reception, segments - FirstSegments);
        var after = Taken.By(receiver.Pid);

        Assert.True(after.Files <= before.Files + 4, $"open files: {before} after {FirstSegments} segments, {after} after {segments}");
        Assert.True(after.Threads <= before.Threads + 8, $"threads: {before} after {FirstSegments} segments, {after} after {segments}");
        Assert.True(after.Memory <= before.Memory + Wander, $"memory: {before} after {FirstSegments} segments, {after} after {segments}");
        Assert.Equal(ReceiverPhase.Streaming, reception.State!.Phase);
        Assert.True((await reception.Lineage.Wal.ListSegmentsAsync(default)).Count >= segments);
    }

    /// <summary>Writes so many segments, of bytes that do not compress to nothing, and waits until all of them are in the repository.</summary>
    static async Task WriteAsync(Reception reception, int segments)
    {
        const int Batch = 50;
        for (var written = 0; written < segments; written += Batch)
        {
            await reception.Cluster.SqlAsync($"SELECT count(pg_logical_emit_message(false, 'soak', repeat(md5(i::text), 32768))) FROM generate_series(1, {Math.Min(Batch, segments - written)}) i");
            await reception.CaughtUpAsync();
            await reception.ArchivedAsync();
        }
    }

    readonly record struct Taken(long Memory, int Files, int Threads)
    {
        public static Taken By(int pid)
        {
            var status = File.ReadAllLines($"/proc/{pid}/status");
            return new(Of(status, "VmRSS:") << 10, Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length, (int)Of(status, "Threads:"));
        }

        static long Of(string[] status, string label) =>
            long.Parse(status.Single(l => l.StartsWith(label, StringComparison.Ordinal)).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
