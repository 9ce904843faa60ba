using Barkeep.Common;
using Barkeep.Hooks;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>
/// Takes WAL files that somebody hands over: a server's archive_command, a person. They are checked as received WAL is. What is here already with the same
/// bytes is well; other bytes are refused, and kept apart. Around a segment that is new the scripts run that run when the receiver archives one.
/// </summary>
/// <param name="spoolOf">Where the receiver of a lineage has what it has not put into the repository yet.</param>
public sealed class WalPut(Repository repository, Func<Lineage, WalSpool> spoolOf, HookScripts hooks, ILogger logger)
{
    const int MaxHistoryLength = 1 << 20;

    /// <summary>Takes a file; what was stored is durable when it returns.</summary>
    /// <param name="systemId">The cluster that it is of, where its content does not say that; null for the server's present one.</param>
    /// <exception cref="BarkeepException">
    /// WrongSystem: of a cluster that nothing is known of. Damaged: not what its name says. WalDiverged: other bytes are here; these are kept apart.
    /// Failed: a script does not want it. DiskFull, Storage. Nothing is stored then.
    /// </exception>
    public async Task<WalPutOutcome> PutAsync(WalFileName name, byte[] content, ulong? systemId, CancellationToken cancellationToken)
    {
        if (name.Kind == WalFileKind.BackupHistory)
        {
            return WalPutOutcome.NotKept;
        }
        var lineage = FindLineage(name, content, systemId);
        if (name.Kind == WalFileKind.History && await FindContradictionAsync(lineage, name, content, cancellationToken) is { } contradiction)
        {
            throw await KeepApartAsync(lineage, name, content, contradiction, null, cancellationToken);
        }
        try
        {
            return name.Kind switch
            {
                WalFileKind.History => await lineage.Wal.PutHistoryAsync(name.Timeline, content, cancellationToken) ? WalPutOutcome.Stored : WalPutOutcome.AlreadyThere,
                WalFileKind.Partial => await PutPartialAsync(lineage, name, content, cancellationToken),
                _ => await PutSegmentAsync(lineage, name, content, cancellationToken),
            };
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.WalDiverged)
        {
            throw await KeepApartAsync(lineage, name, content, "other WAL of that name was received before", e, cancellationToken);
        }
    }

    static async Task<BarkeepException> KeepApartAsync(Lineage lineage, WalFileName name, byte[] content, string why, BarkeepException? inner, CancellationToken cancellationToken)
    {
        var conflict = await lineage.Wal.KeepConflictAsync(name, content, cancellationToken);
        return new(
            ErrorKind.WalDiverged,
            $"{name} is refused: {why}; these bytes are kept as {conflict.ObjectName}",
            "two clusters write the same timeline: give one of them a server of its own, or none",
            inner);
    }

    Lineage FindLineage(WalFileName name, byte[] content, ulong? systemId)
    {
        if (name.Kind != WalFileKind.History)
        {
            var header = content.Length >= PageHeader.LongSize ? PageHeader.Parse(content) : default;
            systemId = header is { IsLong: true, MajorVersion: not null } ? header.SystemIdentifier : throw NotWal(name, "it does not begin as a segment does");
        }
        var current = repository.Current ?? throw new BarkeepException(ErrorKind.NotSetUp, "the repository is empty", "run setup-barman");
        return (systemId is null ? current : repository.Lineages.FirstOrDefault(l => l.Identity.SystemId == systemId))
            ?? throw new BarkeepException(
                ErrorKind.WrongSystem,
                $"{name} is of the database cluster {systemId}, and the repository holds {string.Join(", ", repository.Lineages.Select(static l => l.Identity.SystemId))}",
                "name the server that it belongs to; after initdb or pg_upgrade run setup-barman --accept-new-system");
    }

    // What is here already was judged when it came.
    async Task<string?> FindContradictionAsync(Lineage lineage, WalFileName name, byte[] content, CancellationToken cancellationToken)
    {
        var history = ParseHistory(name, content);
        return await lineage.Wal.HasSoundHistoryAsync(name.Timeline, cancellationToken)
            ? null
            : await HistoryProof.FindContradictionAsync(lineage, spoolOf(lineage), history, cancellationToken);
    }

    static TimelineHistory ParseHistory(WalFileName name, byte[] content)
    {
        try
        {
            return content.Length <= MaxHistoryLength && TimelineHistory.Parse(name.Timeline, content) is { Ancestors.Count: > 0 } history
                ? history
                : throw NotWal(name, "it names no timeline that it comes from");
        }
        catch (FormatException e)
        {
            throw NotWal(name, e.Message);
        }
    }

    async Task<WalPutOutcome> PutSegmentAsync(Lineage lineage, WalFileName name, byte[] content, CancellationToken cancellationToken)
    {
        CheckLength(lineage, name, content);
        await CompareWithSpoolAsync(lineage, name.Segment, content, cancellationToken);
        if (await lineage.Wal.HasSegmentAsync(name.Segment, cancellationToken))
        {
            await TakeAsync(lineage, name, content, cancellationToken);
            return WalPutOutcome.AlreadyThere;
        }
        if (hooks.Has("archive"))
        {
            await TakeWithScriptsAsync(lineage, name, content, cancellationToken);
        }
        else
        {
            await TakeAsync(lineage, name, content, cancellationToken);
        }
        return WalPutOutcome.Stored;
    }

    async Task TakeAsync(Lineage lineage, WalFileName name, byte[] content, CancellationToken cancellationToken)
    {
        if (await new SegmentIntake(lineage, logger).TryTakeAsync(name.Segment, () => new MemoryStream(content, writable: false), cancellationToken) is { } defect)
        {
            throw NotWal(name, defect);
        }
    }

    // They get a file of their own: what came may have come through a pipe, and a server's own file is not theirs to alter.
    async Task TakeWithScriptsAsync(Lineage lineage, WalFileName name, byte[] content, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("barkeep-");
        try
        {
            var file = Path.Combine(directory.FullName, name.Text);
            await File.WriteAllBytesAsync(file, content, cancellationToken);
            var variables = HookVariables.OfSegment(name.Text, file, content.Length, File.GetLastWriteTimeUtc(file), compression: "");
            await hooks.BeforeAsync("archive", variables, cancellationToken);
            await TakeAsync(lineage, name, content, cancellationToken);
            await hooks.AfterAsync("archive", variables, null, cancellationToken);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    async Task<WalPutOutcome> PutPartialAsync(Lineage lineage, WalFileName name, byte[] content, CancellationToken cancellationToken)
    {
        CheckLength(lineage, name, content);
        var intake = new PartialIntake(lineage);
        var valid = await intake.ValidLengthAsync(name.Segment, content, cancellationToken);
        if (valid == 0)
        {
            // Not one whole record: a server that goes on elsewhere has no use for it.
            return WalPutOutcome.NotKept;
        }
        await CompareWithSpoolAsync(lineage, name.Segment, content.AsMemory(0, valid), cancellationToken);
        return await intake.PutAsync(name.Segment, content, valid, cancellationToken) ? WalPutOutcome.Stored : WalPutOutcome.AlreadyThere;
    }

    // What was streamed is the server's own: who hands over other bytes is somebody else.
    async Task CompareWithSpoolAsync(Lineage lineage, SegmentName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        byte[] received;
        try
        {
            received = await File.ReadAllBytesAsync(spoolOf(lineage).PathOf(name), cancellationToken);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return;
        }
        var common = Math.Min(await new PartialIntake(lineage).ValidLengthAsync(name, received, cancellationToken), content.Length);
        if (!content.Span[..common].SequenceEqual(received.AsSpan(0, common)))
        {
            throw new BarkeepException(ErrorKind.WalDiverged, $"{name} differs from what the receiver has received of it", "two servers write WAL of the same name: find out which one is yours");
        }
    }

    static void CheckLength(Lineage lineage, WalFileName name, byte[] content)
    {
        if (content.Length != lineage.Identity.SegmentSize.Bytes || !name.Segment.IsValidFor(lineage.Identity.SegmentSize))
        {
            throw NotWal(name, $"it has {content.Length} bytes, and segments of this cluster have {lineage.Identity.SegmentSize.Bytes}");
        }
    }

    static BarkeepException NotWal(WalFileName name, string what) => new(ErrorKind.Damaged, $"{name} is not taken: {what}", "nothing of it is stored; the server keeps it until it is taken");
}
