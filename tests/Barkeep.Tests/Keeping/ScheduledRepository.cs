using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Xunit;

namespace Barkeep.Tests.Keeping;

/// <summary>
/// Those who work on one repository at the same time: backups that share pages, deletions, collections, restores. The repository,
/// the locks and the code are the real ones; a backup's pages are made up, and known.
/// </summary>
sealed class ScheduledRepository(Schedule schedule, string home) : IDisposable
{
    const int Pages = 24;
    const string FilePath = "base/1/112";

    // By the backup's name, since ids may be given again.
    Dictionary<string, UInt128[]> _pages = [];
    readonly FrameCodec _codec = new();
    readonly byte[] _stored = new byte[FrameCodec.MaxRawLength];
    readonly byte[] _raw = new byte[FrameCodec.MaxRawLength];
    int _number;

    public static ServerName Server { get; } = ServerName.Parse("montagu");

    public Locations Locations { get; } = new(home, Path.Combine(home, "restore"), Path.Combine(home, "config"));

    string Directory => Locations.RepositoryDirectory(Server);

    public async Task CreateAsync() =>
        await (await Repository.OpenAsync(Directory, default)).AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);

    public void Dispose() => _codec.Dispose();

    /// <summary>Takes a backup that shares pages with the newest one; it may fail, or die.</summary>
    public async Task BackUpAsync(string who, int lifetime = int.MaxValue, bool fails = false)
    {
        await schedule.WaitAsync(who, "begin");
        var repository = await Repository.OpenAsync(schedule.Store(who, Directory, lifetime), default);
        await CatalogCleaning.TryRunAsync(repository, Server, Locations, TimeProvider.System, default);
        using var duty = DutyLock.TryTake(Locations.BackupLock(Server));
        if (duty is null)
        {
            return;
        }
        var lineage = repository.Current!;
        var id = await lineage.ClaimBackupAsync(SmallRepository.Clock, "test", default);
        var parent = await NewestAsync(lineage);
        var manifest = await StoreAsync(lineage, id, parent);
        if (fails)
        {
            foreach (var pack in (await lineage.Packs.ListAsync(default)).Where(p => p.Owner == id.ToString()))
            {
                await lineage.Packs.DeleteAsync(pack, default);
            }
            await lineage.Backups.FailAsync(id, "meant to", ErrorKind.Failed, SmallRepository.Clock, default);
            return;
        }
        await lineage.Backups.CommitAsync(id, manifest, default);
        await lineage.Backups.CompleteAsync(id, SmallRepository.Clock, default);
    }

    /// <summary>Deletes any backup.</summary>
    public async Task DeleteAsync(string who, int lifetime = int.MaxValue)
    {
        await schedule.WaitAsync(who, "begin");
        var repository = await Repository.OpenAsync(schedule.Store(who, Directory, lifetime), default);
        var backups = await repository.Current!.Backups.ListPartsAsync(default);
        if (backups.Count == 0)
        {
            return;
        }
        try
        {
            await new BackupDeletion(repository, Server, Locations, TimeProvider.System).RunAsync(backups[schedule.Random.Next(backups.Count)].Id, default);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Busy or ErrorKind.UnknownBackup)
        {
            // It is running, or another deletion was first.
        }
    }

    public async Task CollectAsync(string who, int lifetime = int.MaxValue)
    {
        await schedule.WaitAsync(who, "begin");
        var repository = await Repository.OpenAsync(schedule.Store(who, Directory, lifetime), default);
        await new Collector(repository, Server, Locations).RunAsync(Collector.DefaultBudget, default);
    }

    /// <summary>Reads a backup whole, page by page, from the moment it has read the manifest.</summary>
    public async Task RestoreAsync(string who)
    {
        await schedule.WaitAsync(who, "begin");
        using var held = DutyLock.TryShare(Locations.RestoreLock(Server));
        Assert.NotNull(held);
        var lineage = (await Repository.OpenAsync(schedule.Store(who, Directory), default)).Current!;
        var backups = (await lineage.Backups.ListPartsAsync(default)).Where(static b => b.Parts.HasFlag(BackupParts.Manifest)).ToList();
        if (backups.Count > 0 && await TryReadAsync(lineage, backups[schedule.Random.Next(backups.Count)].Id) is { } manifest)
        {
            await CheckAsync(lineage, manifest, () => schedule.WaitAsync(who, "read on"));
        }
    }

    /// <summary>Every backup must be whole, and after a last collection nothing else may be there.</summary>
    public async Task CheckAsync()
    {
        var lineage = await CheckBackupsAsync();
        var repository = await Repository.OpenAsync(Directory, default);
        await CatalogCleaning.TryRunAsync(repository, Server, Locations, TimeProvider.System, default);
        var collector = new Collector(repository, Server, Locations);
        var result = await collector.RunAsync(Collector.DefaultBudget, default);
        Assert.Null(result.Hold);
        Assert.Empty(result.Findings);
        Assert.True(result.IsFinished);
        Assert.False(await collector.IsDueAsync(default));
        await CheckBackupsAsync();

        var plan = Assert.Single(await collector.PlanAsync(default));
        Assert.Equal(0, plan.FreedLength);
        Assert.Empty(plan.Unneeded);
        Assert.Empty(plan.Superseded);
        Assert.Empty(plan.Sparse);
        var packs = await lineage.Packs.ListAsync(default);
        Assert.Equal(packs.Count, packs.Select(static p => p.Name).Distinct().Count());
        Assert.Empty(System.IO.Directory.EnumerateFiles(Path.Combine(Directory, "tmp")));
        Assert.DoesNotContain(
            System.IO.Directory.EnumerateDirectories(Directory, "*", SearchOption.AllDirectories),
            static d => Path.GetFileName(d) is not ("tmp" or "packs" or "backups" or "wal" or "changes") && !System.IO.Directory.EnumerateFileSystemEntries(d).Any());
    }

    /// <summary>A copy of it, elsewhere.</summary>
    public ScheduledRepository At(string directory) => new(schedule, directory) { _pages = _pages };

    /// <summary>Stores WAL from before all backups.</summary>
    public async Task ReceiveAsync()
    {
        var lineage = (await Repository.OpenAsync(Directory, default)).Current!;
        await lineage.Wal.PutSegmentAsync(new(new(1), 0, 1), new MemoryStream(SmallRepository.SegmentBytes), default);
    }

    /// <summary>The backups with a manifest.</summary>
    public async Task<IReadOnlyList<BackupId>> ListAsync() =>
        [.. (await (await Repository.OpenAsync(Directory, default)).Current!.Backups.ListPartsAsync(default)).Where(static b => b.Parts.HasFlag(BackupParts.Manifest)).Select(static b => b.Id)];

    public async Task<CollectionResult> DeleteAsync(BackupId id) =>
        await new BackupDeletion(await Repository.OpenAsync(Directory, default), Server, Locations, TimeProvider.System).RunAsync(id, default);

    /// <summary>Every backup must be whole.</summary>
    public async Task<Lineage> CheckBackupsAsync()
    {
        var lineage = (await Repository.OpenAsync(Directory, default)).Current!;
        foreach (var (id, parts) in await lineage.Backups.ListPartsAsync(default))
        {
            if (parts.HasFlag(BackupParts.Manifest))
            {
                await CheckAsync(lineage, await lineage.Backups.ReadManifestAsync(id, default), static () => ValueTask.CompletedTask);
            }
        }
        return lineage;
    }

    async Task CheckAsync(Lineage lineage, Manifest manifest, Func<ValueTask> pause)
    {
        var page = 0;
        foreach (var run in manifest.Entries.Single(static e => e.Path == FilePath).Runs)
        {
            using var pack = await lineage.Packs.OpenAsync(manifest.Packs[run.Pack], default);
            await pause();
            Assert.True(pack.Index.Holds(run.Ordinal, run.Count), $"backup {manifest.Info.BackupId} needs page {run.Ordinal} of pack {manifest.Packs[run.Pack]}, which is gone");
            var position = pack.Index.PositionOf(run.Ordinal);
            var number = pack.Index.FrameAt(position);
            var frame = await pack.ReadFrameAsync(number, _codec, _stored, _raw, default);
            var content = frame.Slice((position - pack.Index.Frames[number].FirstPosition) * Page.Size, Page.Size);
            Assert.Equal(_pages[manifest.Info.Name!][page++], FrameCodec.HashOf(content.Span));
        }
        Assert.Equal(Pages, page);
    }

    static async Task<Manifest?> NewestAsync(Lineage lineage)
    {
        foreach (var (id, parts) in (await lineage.Backups.ListPartsAsync(default)).Reverse())
        {
            if (parts.HasFlag(BackupParts.Manifest) && await TryReadAsync(lineage, id) is { } manifest)
            {
                return manifest;
            }
        }
        return null;
    }

    static async Task<Manifest?> TryReadAsync(Lineage lineage, BackupId id)
    {
        try
        {
            return await lineage.Backups.ReadManifestAsync(id, default);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.ObjectMissing)
        {
            return null;
        }
    }

    // One run a page, about half of them the parent's; a few packs, of small frames.
    async Task<Manifest> StoreAsync(Lineage lineage, BackupId id, Manifest? parent)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{id} {_number++}");
        var hashes = new UInt128[Pages];
        var names = new List<string>();
        var runs = new PageRun[Pages];
        using var series = lineage.Packs.Begin(id);
        var density = schedule.Random.Next(1, 10);
        var old = parent?.Entries.Single(static e => e.Path == FilePath).Runs;
        var own = new List<int>();
        for (var i = 0; i < Pages; i++)
        {
            if (old is not null && schedule.Random.Next(10) >= density)
            {
                runs[i] = new(1, IndexOf(names, parent!.Packs[old[i].Pack]), old[i].Ordinal);
                hashes[i] = _pages[parent.Info.Name!][i];
                continue;
            }
            own.Add(i);
            if (own.Count == 4)
            {
                await AppendAsync(own);
            }
        }
        await AppendAsync(own);
        await series.FinishAsync(default);
        _pages[name] = hashes;
        var file = new ManifestEntry { Kind = ManifestEntryKind.File, Path = FilePath, Length = Pages * Page.Size, Runs = runs };
        return new()
        {
            Info = SmallRepository.Info(id) with { Name = name },
            Packs = names,
            Entries = [ManifestEntry.Directory("base"), ManifestEntry.Directory("base/1"), file],
        };

        async Task AppendAsync(List<int> pages)
        {
            if (pages.Count == 0)
            {
                return;
            }
            var raw = new byte[pages.Count * Page.Size];
            for (var i = 0; i < pages.Count; i++)
            {
                BitConverter.TryWriteBytes(raw.AsSpan(i * Page.Size), (_number * 1000) + pages[i]);
                hashes[pages[i]] = FrameCodec.HashOf(raw.AsSpan(i * Page.Size, Page.Size));
            }
            var stored = _codec.Encode(raw, out var encoding);
            var at = await series.AppendAsync(stored, encoding, pages.Select(i => hashes[i]).ToArray(), default);
            for (var i = 0; i < pages.Count; i++)
            {
                runs[pages[i]] = new(1, IndexOf(names, at.Pack), at.Ordinal + i);
            }
            pages.Clear();
            if (schedule.Random.Next(2) == 0)
            {
                await series.FinishAsync(default);
            }
        }
    }

    static int IndexOf(List<string> names, string name)
    {
        if (names.IndexOf(name) is >= 0 and var index)
        {
            return index;
        }
        names.Add(name);
        return names.Count - 1;
    }
}
