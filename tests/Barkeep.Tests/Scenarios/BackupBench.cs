using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Takes backups of one server by the job itself, without the executable.</summary>
sealed class BackupBench(ServerConfig server, Locations locations) : IDisposable
{
    string? _mine;

    public Locations Locations { get; } = locations;

    public ServerConfig Server { get; set; } = server;

    public string RepositoryDirectory => Locations.RepositoryDirectory(Server.Name);

    public BackupJob Job => new(Server, Locations, NullLogger.Instance, TimeProvider.System);

    /// <summary>Backups of a cluster by its superuser, or by the given role.</summary>
    /// <param name="home">Where the repository is to be; a directory of its own, removed at the end, when it is not said.</param>
    public static BackupBench Of(TestCluster cluster, string user = TestCluster.Superuser, string? password = null, string? home = null)
    {
        var directory = home ?? RigRoot.NewDirectory("backups");
        var server = new ServerConfig
        {
            Name = ServerName.Parse("montagu"),
            Description = "montagu",
            Host = "127.0.0.1",
            Port = cluster.Port,
            Database = "postgres",
            BackupUser = user,
            BackupPassword = new(password ?? cluster.SuperuserPassword),
            StreamingUser = BarkeepRoles.Stream,
            StreamingPassword = Secret.None,
            SlotName = "montagu",
            ApplicationName = "barman_receive_wal",
            SslMode = SslMode.Prefer,
            ConnectTimeout = TimeSpan.FromSeconds(30),
            ReceiveTimeout = TimeSpan.FromSeconds(60),
            Jobs = 2,
            BandwidthLimit = 0,
        };
        var locations = new Locations(Path.Combine(directory, "home"), Path.Combine(directory, "restore"), Path.Combine(directory, "config"));
        return new(server, locations) { _mine = home is null ? directory : null };
    }

    public static BackupOptions Options => new() { Jobs = 2 };

    /// <summary>So slow that a small cluster takes many seconds.</summary>
    public static BackupOptions Slow => new() { Jobs = 2, BandwidthLimit = 1500 };

    public Task<BackupResult> BackUpAsync(BackupOptions? options = null, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default) =>
        Job.RunAsync(options ?? Options, progress, cancellationToken);

    public async Task<Lineage> LineageAsync() => (await Repository.OpenAsync(RepositoryDirectory, default)).Current!;

    public async Task<IReadOnlyList<BackupRecord>> ListAsync() =>
        (await Repository.OpenAsync(RepositoryDirectory, default)).Current is { } lineage ? await lineage.Backups.ListAsync(default) : [];

    /// <summary>Starts a slow backup and returns when it is copying; it ends when cancelled.</summary>
    public Task<(BackupId Id, Task<BackupResult> Running)> StartSlowlyAsync(CancellationToken cancellationToken = default) =>
        StartAsync(Slow, static report => report.BytesDone > 0, cancellationToken);

    /// <summary>Starts a backup and returns when, while it copies, a report is what was waited for.</summary>
    public async Task<(BackupId Id, Task<BackupResult> Running)> StartAsync(BackupOptions options, Func<BackupProgress, bool> awaited, CancellationToken cancellationToken = default)
    {
        var copying = new TaskCompletionSource<BackupId>(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = Task.Run(() => BackUpAsync(options, new Reports(report =>
        {
            if (report is { Step: BackupStep.Copying, Id: { } id } && awaited(report))
            {
                copying.TrySetResult(id);
            }
        }), cancellationToken), CancellationToken.None);
        await Task.WhenAny(copying.Task, running);
        return copying.Task.IsCompleted ? (await copying.Task, running) : throw new InvalidOperationException("the backup ended at once", running.Exception);
    }

    /// <summary>Puts the segments that a backup needs into the repository, as a receiver does.</summary>
    public async Task ArchiveAsync(TestCluster cluster, BackupInfo info)
    {
        var lineage = await LineageAsync();
        var size = lineage.Identity.SegmentSize;
        for (var number = size.NumberOf(info.BeginLsn); number <= size.NumberOf(new(info.EndLsn.Value - 1)); number++)
        {
            await ArchiveAsync(cluster, SegmentName.Of(new(info.Timeline), number, size));
        }
    }

    public async Task ArchiveAsync(TestCluster cluster, SegmentName name)
    {
        var lineage = await LineageAsync();
        await using var content = File.OpenRead(Path.Combine(cluster.DataDirectory, "pg_wal", name.ToString()));
        await lineage.Wal.PutSegmentAsync(name, content, default);
    }

    /// <summary>Writes a backup's files, without WAL, straight from its manifest and packs.</summary>
    public async Task UnpackAsync(BackupId id, string target)
    {
        var lineage = await LineageAsync();
        var manifest = await lineage.Backups.ReadManifestAsync(id, default);
        using var codec = new FrameCodec();
        byte[] stored = new byte[FrameCodec.MaxRawLength], raw = new byte[FrameCodec.MaxRawLength];
        var packs = new List<PackReader>();
        var frames = new Dictionary<(int Pack, int Number), byte[]>();
        foreach (var name in manifest.Packs)
        {
            packs.Add(await lineage.Packs.OpenAsync(name, default));
        }
        foreach (var entry in manifest.Entries.Where(e => e.Kind != ManifestEntryKind.External))
        {
            var path = Path.Combine(target, entry.Path);
            if (entry.Kind == ManifestEntryKind.Directory)
            {
                Directory.CreateDirectory(path);
                continue;
            }
            await using var file = File.Create(path);
            await file.WriteAsync(entry.Content);
            foreach (var run in entry.Runs)
            {
                for (var i = 0; i < run.Count; i++)
                {
                    if (run.IsZeros)
                    {
                        await file.WriteAsync(new byte[Page.Size]);
                        continue;
                    }
                    var index = packs[run.Pack].Index;
                    var position = index.PositionOf(run.Ordinal + i);
                    var number = index.FrameAt(position);
                    if (!frames.TryGetValue((run.Pack, number), out var pages))
                    {
                        if (frames.Count == 100)
                        {
                            frames.Clear();
                        }
                        pages = (await packs[run.Pack].ReadFrameAsync(number, codec, stored, raw, default)).ToArray();
                        frames.Add((run.Pack, number), pages);
                    }
                    var page = pages.AsMemory((position - index.Frames[number].FirstPosition) * Page.Size, Page.Size);
                    Assert.Equal(index.HashOf(run.Ordinal + i), FrameCodec.HashOf(page.Span));
                    await file.WriteAsync(page);
                }
            }
            Assert.Equal(Page.CountFor(entry.Length), entry.Runs.Sum(static r => (long)r.Count) + (entry.Kind == ManifestEntryKind.Inline ? Page.CountFor(entry.Length) : 0));
            file.SetLength(entry.Length);
        }
        packs.ForEach(static p => p.Dispose());
    }

    /// <summary>Packs and unfinished files in the repository.</summary>
    public IReadOnlyList<string> PackFiles() =>
    [
        .. Directory.EnumerateFiles(RepositoryDirectory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(RepositoryDirectory, f)).Order(StringComparer.Ordinal)
            .Where(static f => f.Contains("/packs/", StringComparison.Ordinal) || f.StartsWith("tmp/", StringComparison.Ordinal)),
    ];

    /// <summary>Waits until no session of a backup is left on the server.</summary>
    public static Task NothingIsLeftAsync(TestCluster cluster) => Eventually.GivesAsync(
        () => cluster.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'barkeep backup%'"), static n => n == 0, "backup sessions left on the server");

    /// <summary>Progress as it is reported, in the reporter's thread.</summary>
    sealed class Reports(Action<BackupProgress> report) : IProgress<BackupProgress>
    {
        public void Report(BackupProgress value) => report(value);
    }

    public void Dispose()
    {
        if (_mine is not null)
        {
            RigRoot.Remove(_mine);
        }
    }
}
