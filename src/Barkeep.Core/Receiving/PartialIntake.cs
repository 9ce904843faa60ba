using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Receiving;

/// <summary>
/// Puts the last, incomplete segment of a timeline into the repository. It may come twice, and not as long both times: from the stream as far as that was
/// received, from a server's archive_command as a whole file, of which the end is old bytes. What counts is the records.
/// </summary>
public sealed class PartialIntake(Lineage lineage)
{
    SegmentSize Size => lineage.Identity.SegmentSize;

    /// <summary>Durable when it returns.</summary>
    /// <param name="content">The segment from its beginning.</param>
    /// <param name="length">How much of it was received.</param>
    /// <returns>False when as much or more of it was here already.</returns>
    /// <exception cref="BarkeepException">WalDiverged: other records are here.</exception>
    public async Task<bool> PutAsync(SegmentName name, byte[] content, int length, CancellationToken cancellationToken)
    {
        using var stream = new MemoryStream(content, 0, length, writable: false);
        if (await TryReadAsync(name, cancellationToken) is not var (known, partial))
        {
            return await lineage.Wal.PutPartialAsync(name, stream, length, cancellationToken);
        }
        var (valid, knownValid) = (await ValidLengthAsync(name, content.AsMemory(0, length), cancellationToken), await ValidLengthAsync(name, known, cancellationToken));
        var common = Math.Min(valid, knownValid);
        if (!content.AsSpan(0, common).SequenceEqual(known.Span[..common]))
        {
            throw new BarkeepException(ErrorKind.WalDiverged, $"{name} is in the repository already, with other records", "two clusters write WAL of the same name: find out which one is yours");
        }
        if (!partial || valid <= knownValid)
        {
            return false;
        }
        await lineage.Wal.ReplacePartialAsync(name, stream, length, cancellationToken);
        return true;
    }

    /// <summary>Where the last whole record ends, in bytes from the beginning.</summary>
    public async Task<int> ValidLengthAsync(SegmentName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var walker = new RecordWalker(name.Start(Size), await lineage.Wal.GetHistoryAsync(name.Timeline, cancellationToken), Size, lineage.Identity.SystemId);
        walker.Append(content.Span);
        return (int)Math.Min(content.Length, walker.ValidEnd - walker.Start);
    }

    async Task<(ReadOnlyMemory<byte> Content, bool IsPartial)?> TryReadAsync(SegmentName name, CancellationToken cancellationToken)
    {
        var partial = !await lineage.Wal.HasSegmentAsync(name, cancellationToken);
        if (partial && !await lineage.Wal.HasPartialAsync(name, cancellationToken))
        {
            return null;
        }
        using var content = new MemoryStream();
        try
        {
            await lineage.Wal.CopySegmentAsync(name, partial, content, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            // It says nothing any more, and gives way.
            return null;
        }
        return (content.GetBuffer().AsMemory(0, (int)content.Length), partial);
    }
}
