using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>Puts what is complete in the spool into the repository, once: a receiver that runs does it by itself, and is waited for. The same scripts run.</summary>
public sealed class SpoolArchiving(ServerConfig config, Locations locations, Lineage lineage, HookScripts hooks, TimeProvider time, ILogger logger)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    readonly WalSpool _spool = WalSpool.Of(lineage, config.Name, locations);

    /// <summary>Complete segments that are not in the repository yet.</summary>
    public IReadOnlyList<SegmentName> ListComplete() =>
        [.. _spool.List().Where(f => f.Length >= _spool.SegmentSize.Bytes).Select(static f => f.Name)];

    /// <summary>Returns when they are all in the repository.</summary>
    /// <exception cref="BarkeepException">WalTimeout: the receiver has not done it in time. Failed: a script does not want it. Damaged, WalDiverged, DiskFull, Storage.</exception>
    public async Task RunAsync(IReadOnlyList<SegmentName> segments, TimeSpan limit, CancellationToken cancellationToken)
    {
        if (segments.Count == 0)
        {
            // Before the first receiver there is no spool either.
            return;
        }
        using var duty = DutyLock.TryTake(locations.ReceiverLock(config.Name));
        if (duty is null)
        {
            await WaitAsync(segments, limit, cancellationToken);
            return;
        }
        var intake = new SegmentIntake(lineage, logger);
        foreach (var segment in await SpoolScan.RunAsync(_spool, lineage, n => !segments.Contains(n), cancellationToken))
        {
            var path = _spool.PathOf(segment.Name);
            var variables = hooks.Has("archive") ? HookVariables.OfSegment(segment.Name.ToString(), path, _spool.SegmentSize.Bytes, File.GetLastWriteTimeUtc(path), compression: "") : null;
            if (variables is not null)
            {
                await hooks.BeforeAsync("archive", variables, cancellationToken);
            }
            var defect = segment.IsComplete
                ? await intake.TryTakeAsync(segment.Name, () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0), cancellationToken)
                : "it does not pass, or may not be on the disk";
            if (defect is not null)
            {
                throw new BarkeepException(ErrorKind.Damaged, $"{segment.Name} stays in the spool: {defect}", "the receiver gets it again");
            }
            if (variables is not null)
            {
                await hooks.AfterAsync("archive", variables, null, cancellationToken);
            }
            File.Delete(path);
        }
    }

    async Task WaitAsync(IReadOnlyList<SegmentName> segments, TimeSpan limit, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        foreach (var segment in segments)
        {
            while (!await lineage.Wal.HasSoundSegmentAsync(segment, cancellationToken))
            {
                if (time.GetElapsedTime(start) > limit)
                {
                    throw new BarkeepException(ErrorKind.WalTimeout, $"the receiver has not put {segment} into the repository in {limit.TotalSeconds:0} s", $"its log is {locations.ReceiverLog(config.Name)}");
                }
                await Task.Delay(Pause, time, cancellationToken);
            }
        }
    }
}
