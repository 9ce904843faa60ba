using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Receiving;

/// <summary>Finds out what the files in the spool are worth.</summary>
static class SpoolScan
{
    const int ReadLength = 1 << 20;

    /// <summary>
    /// Walks the segments in the spool, and removes unfinished second receptions. What it calls complete is durable when it returns.
    /// </summary>
    /// <param name="pending">Segments that this process is putting into the repository: they are passed over.</param>
    public static async Task<IReadOnlyList<SpooledSegment>> RunAsync(
        WalSpool spool, Lineage lineage, Func<SegmentName, bool> pending, CancellationToken cancellationToken)
    {
        foreach (var unfinished in Directory.EnumerateFiles(spool.Directory, $"*{SpoolNames.Fresh}"))
        {
            File.Delete(unfinished);
        }
        var found = new List<SpooledSegment>();
        foreach (var (name, length) in spool.List())
        {
            if (!pending(name))
            {
                var history = await lineage.Wal.GetHistoryAsync(name.Timeline, cancellationToken);
                found.Add(Examine(spool, name, (int)Math.Min(length, spool.SegmentSize.Bytes), history, lineage.Identity.SystemId));
            }
        }
        Durable.FlushDirectory(spool.Directory);
        return found;
    }

    static SpooledSegment Examine(WalSpool spool, SegmentName name, int length, TimelineHistory history, ulong systemId)
    {
        var path = spool.PathOf(name);
        var walker = new RecordWalker(name.Start(spool.SegmentSize), history, spool.SegmentSize, systemId);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        Walk(walker, file, length);
        // The end of a switch record is the segment's end, which may not have come yet.
        var valid = (int)Math.Min(length, walker.ValidEnd - walker.Start);
        var complete = length == spool.SegmentSize.Bytes && walker.EndsWholeSegment && !File.Exists(path + SpoolNames.Suspect);
        if (complete)
        {
            try
            {
                Durable.Flush(file, path);
            }
            catch (BarkeepException)
            {
                SpoolNames.MarkSuspect(path);
                throw;
            }
        }
        return new(name, length, valid, complete);
    }

    /// <summary>Walks a file from its beginning.</summary>
    static void Walk(RecordWalker walker, SafeFileHandle file, int length)
    {
        var buffer = new byte[Math.Min(ReadLength, Math.Max(length, 1))];
        for (var done = 0; done < length && walker.Defect is null;)
        {
            var read = RandomAccess.Read(file, buffer.AsSpan(0, Math.Min(buffer.Length, length - done)), done);
            if (read == 0)
            {
                break;
            }
            walker.Append(buffer.AsSpan(0, read));
            done += read;
        }
    }
}
