using System.IO.Compression;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Storage;
using Microsoft.Extensions.Logging;
using ZstdSharp;

namespace Barkeep.Backups;

/// <summary>Brings an exported backup back, here or on another machine: the same backup, with its pages in packs of its own, and its WAL (docs/format.md, "Exports").</summary>
public sealed class BackupImport(ServerName server, Locations locations, ILogger logger, TimeProvider time)
{
    const int MaxHeadLength = int.MaxValue - (1 << 20);

    /// <summary>Imports. The backup exists durably when it returns, and is kept until it is released; when it throws, it does not exist.</summary>
    /// <param name="progress">Told the bytes done and those to do.</param>
    /// <exception cref="BarkeepException">
    /// Damaged, HostilePath: the tar is not what an export wrote; NewerRepository; WrongSystem: it is of another cluster than the server has ever been;
    /// BackupUnusable: there is such a backup already; WalDiverged; Busy; DiskFull, Storage, Interrupted.
    /// </exception>
    public async Task<BackupInfo> RunAsync(string path, Action<long, long>? progress, CancellationToken cancellationToken)
    {
        // 1. What it is.
        await using var file = OpenTar(path);
        await using var content = Decompress(file);
        var tar = new TarInput(content);
        try
        {
            var head = await ReadHeadAsync(tar, cancellationToken);

            // 2. No backup and no collection meanwhile: names of packs are given that collection may have listed under another's.
            using var duty = await BackupDuty.TakeAsync(server, locations, time, cancellationToken);
            using var turn = DutyLock.TryTake(locations.CollectionLock(server)) ?? throw new BarkeepException(ErrorKind.Busy, $"a collection of server {server} is running", "try again when it has ended");
            var repository = await Repository.OpenAsync(locations.RepositoryDirectory(server), cancellationToken);
            var lineage = repository.Lineages.FirstOrDefault(l => l.Identity == head.Identity)
                ?? await repository.AdoptAsync(head.Identity, acceptNew: false, time.GetLocalNow(), cancellationToken);
            if (await lineage.Backups.TryGetAsync(head.Backup, cancellationToken) is not null || !await lineage.Backups.StartAsync(head.Backup, time.GetLocalNow(), ProgramVersion.Signature, cancellationToken))
            {
                throw new BarkeepException(ErrorKind.BackupUnusable, $"server {server} has a backup {head.Backup} already", $"barman list-backups {server} shows it; delete it first");
            }

            // 3. Its pages and WAL; then it exists.
            await ImportAsync(head, lineage, tar, progress, cancellationToken);
            var check = await WalCompletion.CheckAsync(lineage, head.Backup, head.Manifest.Info, time, cancellationToken);
            if (check.Fault is { } fault)
            {
                throw fault;
            }
            if (check.Missing is { } missing)
            {
                logger.LogWarning("Backup {Id} still waits for WAL {Segment}", head.Backup, missing);
            }
            return head.Manifest.Info;
        }
        catch (Exception e) when (e is InvalidDataException or ZstdException)
        {
            throw new BarkeepException(ErrorKind.Damaged, $"{path} cannot be decompressed: {e.Message}", "it was cut off or altered on its way: copy it again", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"importing {path}");
        }
    }

    async Task ImportAsync(ExportHead head, Lineage lineage, TarInput tar, Action<long, long>? progress, CancellationToken cancellationToken)
    {
        var id = head.Backup;
        var after = (await lineage.Packs.ListOfAsync(id, cancellationToken)).Select(static p => p.Number).DefaultIfEmpty(0).Max();
        var scratch = Path.Combine(locations.ServerDirectory(server), "import.unfinished");
        try
        {
            Clear(scratch);
            Durable.CreateDirectory(scratch);
            var files = ExportHead.FilesOf(head.Manifest).Count();
            using var packs = lineage.Packs.Begin(id, after);
            using var pages = new ImportedPages(packs, files);
            var (done, total) = (0L, ExportHead.FilesOf(head.Manifest).Sum(static e => e.Length) + ((long)head.Record.Wal.Count * head.Record.SegmentSize));
            var wal = new ImportedWal(lineage, head.Manifest.Info, scratch, logger);
            var contents = new ImportContents(head, pages, wal, progress is null ? null : bytes => progress(done += bytes, total));
            contents.Expect();
            while (await tar.NextAsync(cancellationToken) is { } member)
            {
                await contents.TakeAsync(member, tar, cancellationToken);
            }
            contents.CheckComplete();
            await pages.FlushAsync(cancellationToken);
            await packs.FinishAsync(cancellationToken);
            await wal.CheckAsync(cancellationToken);
            await wal.PutAsync(cancellationToken);
            // Its age says nothing: whoever imports one wants it, so no policy lets it go before he does. No WAL beyond its end has come that could be kept.
            await lineage.Backups.KeepAsync(id, KeepTarget.Standalone, time.GetLocalNow(), cancellationToken);
            await lineage.Backups.CommitAsync(id, ManifestOf(head, pages), cancellationToken);
        }
        catch (Exception e)
        {
            await ForgetAsync(lineage, id, after, e);
            if (cancellationToken.IsCancellationRequested)
            {
                throw new BarkeepException(ErrorKind.Interrupted, $"the import of backup {id} was stopped", null, e);
            }
            throw;
        }
        finally
        {
            Clear(scratch);
        }
    }

    static void Clear(string scratch)
    {
        if (Directory.Exists(scratch))
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    static Manifest ManifestOf(ExportHead head, ImportedPages pages)
    {
        var file = 0;
        return head.Manifest with
        {
            Hash = null,
            Packs = pages.Packs,
            Entries = [.. head.Manifest.Entries.Select(e => e.Kind == ManifestEntryKind.File ? e with { Runs = pages.RunsOf(file++) } : e)],
        };
    }

    // A backup that was never one leaves nothing: the tar is still there.
    async Task ForgetAsync(Lineage lineage, BackupId id, int after, Exception failure)
    {
        try
        {
            if ((await lineage.Backups.TryGetAsync(id, CancellationToken.None))?.Info is not null)
            {
                return;
            }
            await lineage.Packs.DeleteOfAsync(id, after, CancellationToken.None);
            await lineage.Backups.RemoveAsync(id, CancellationToken.None);
        }
        catch (BarkeepException e)
        {
            logger.LogError("What the import of backup {Id} has left could not be removed: {Reason}; cron does it. It ended because {Failure}", id, e.Line, failure.Message);
        }
    }

    static async Task<ExportHead> ReadHeadAsync(TarInput tar, CancellationToken cancellationToken)
    {
        if (await tar.NextAsync(cancellationToken) is not { Name: ExportHead.Name, Kind: TarMember.File } member || member.Length > MaxHeadLength)
        {
            throw new BarkeepException(ErrorKind.Damaged, $"the tar does not begin with {ExportHead.Name}", "import-backup takes what export-backup has written, as it has written it");
        }
        // As it comes, not as its header promises.
        using var bytes = new MemoryStream();
        var piece = new byte[1 << 20];
        for (var rest = member.Length; rest > 0;)
        {
            var part = piece.AsMemory(0, (int)Math.Min(piece.Length, rest));
            await tar.ReadAsync(part, cancellationToken);
            await bytes.WriteAsync(part, cancellationToken);
            rest -= part.Length;
        }
        return bytes.Length > Record.MaxHeadLength ? ExportHead.Open(bytes.GetBuffer().AsMemory(0, (int)bytes.Length)) : throw Record.Damaged(ExportHead.Name, "it is cut short");
    }

    static FileStream OpenTar(string path)
    {
        if (Directory.Exists(path))
        {
            throw new BarkeepException(ErrorKind.Storage, $"{path} is a directory", "name the tar that barman export-backup wrote");
        }
        try
        {
            return new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"opening {path}");
        }
    }

    // By its first bytes: gzip (RFC 1952), zstd (RFC 8878), or none.
    static Stream Decompress(FileStream file)
    {
        Span<byte> start = stackalloc byte[4];
        var count = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        file.Position = 0;
        return start[..count] switch
        {
            [0x1F, 0x8B, ..] => new GZipStream(file, CompressionMode.Decompress, leaveOpen: true),
            [0x28, 0xB5, 0x2F, 0xFD] => new DecompressionStream(file, leaveOpen: true),
            _ => file,
        };
    }
}
