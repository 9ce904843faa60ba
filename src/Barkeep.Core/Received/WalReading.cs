using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>Reads received WAL from wherever it is, while a receiver may be moving it from the spool into the repository.</summary>
/// <param name="spool">Null when nothing in it is to be read.</param>
sealed class WalReading(WalArchive archive, WalSpool? spool, ulong systemId)
{
    const int BufferLength = 1 << 18;

    /// <summary>Writes a segment's received bytes, at most its length, checked by hash where they are in the repository.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public Task CopyAsync(ReceivedSegment segment, Stream destination, CancellationToken cancellationToken) =>
        CopyStartAsync(segment, long.MaxValue, destination, cancellationToken);

    /// <summary>As <see cref="CopyAsync"/>, but of what comes after so many bytes perhaps nothing is written: it costs as much as is needed.</summary>
    public async Task CopyStartAsync(ReceivedSegment segment, long needed, Stream destination, CancellationToken cancellationToken)
    {
        if (segment.Place == WalPlace.Spool && spool is not null && await TryCopySpoolAsync(spool.PathOf(segment.Name), Math.Min(segment.Length, needed), destination, cancellationToken))
        {
            return;
        }
        var partial = segment.Place == WalPlace.Partial
            || (segment.Place == WalPlace.Spool && !await archive.HasSegmentAsync(segment.Name, cancellationToken));
        await archive.CopySegmentStartAsync(segment.Name, partial, needed, destination, cancellationToken);
    }

    /// <summary>
    /// Cuts a route after its last whole record: what was received of the next one is torn. Walks back only as far as it takes
    /// to find where a record begins.
    /// </summary>
    public async Task<WalRoute> TrimAsync(WalRoute route, CancellationToken cancellationToken)
    {
        if (route.Parts.Count == 0)
        {
            return route;
        }
        // The repository's segments were walked before they were stored; the others were not.
        var unwalked = route.Parts.Count - 1;
        while (unwalked > 0 && route.Parts[unwalked - 1].Segment.Place != WalPlace.Repository)
        {
            unwalked--;
        }
        for (var (first, step) = (unwalked - 1, 1); ; first -= step, step *= 2)
        {
            first = Math.Max(first, 0);
            var walker = await WalkAsync(route, first, cancellationToken);
            if (walker.ValidEnd > walker.Start || first == 0)
            {
                return route.Until(walker.ValidEnd) with { Defect = walker.Defect, LastRecord = walker.LastStart };
            }
        }
    }

    async Task<RecordWalker> WalkAsync(WalRoute route, int first, CancellationToken cancellationToken)
    {
        var walker = new RecordWalker(route.Parts[first].Segment.Name.Start(route.SegmentSize), route.History, route.SegmentSize, systemId);
        for (var i = first; i < route.Parts.Count && walker.Defect is null; i++)
        {
            await using var walking = new SinkStream(bytes => walker.Append(bytes), route.Parts[i].Keep);
            await CopyAsync(route.Parts[i].Segment, walking, cancellationToken);
        }
        return walker;
    }

    static async Task<bool> TryCopySpoolAsync(string path, long length, Stream destination, CancellationToken cancellationToken)
    {
        FileStream file;
        try
        {
            file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"reading {path}");
        }
        await using (file)
        {
            var buffer = new byte[BufferLength];
            for (var rest = length; rest > 0;)
            {
                var count = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, rest)), cancellationToken);
                if (count == 0)
                {
                    break;
                }
                await destination.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
                rest -= count;
            }
        }
        return true;
    }
}
