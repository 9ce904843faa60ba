using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Packs;
using Barkeep.Postgres;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>One backup from pg_backup_start to its manifest; what surrounds that is <see cref="BackupJob"/>'s.</summary>
sealed class BackupCopy(
    ServerConfig server, ServerFacts facts, Lineage lineage, BackupId id, BackupOptions options, ChangeSearch search, Func<FrameCodec> newCodec, TimeProvider time, IProgress<BackupProgress>? progress)
{
    /// <summary>A connection for less than that costs more than it brings.</summary>
    const long WorthAReader = 8 << 20;

    readonly List<string> _warnings = [];
    readonly PackDamage _damage = new(lineage.Packs);

    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>Takes the backup. All packs are durable when it returns, and nothing of it is left on the server.</summary>
    /// <param name="main">The session that the backup is begun in; it ends with it.</param>
    public async Task<Manifest> RunAsync(SqlSession main, PackSeries packs, CancellationToken cancellationToken)
    {
        // A first reader connects while the server makes its checkpoint.
        var connecting = SqlSession.OpenAsync(server, "backup reader", cancellationToken);
        try
        {
            return await RunAsync(main, connecting, packs, cancellationToken);
        }
        finally
        {
            await connecting.ContinueWith(static c => c.IsCompletedSuccessfully ? c.Result.DisposeAsync().AsTask() : Task.CompletedTask, TaskScheduler.Default).Unwrap();
        }
    }

    async Task<Manifest> RunAsync(SqlSession main, Task<SqlSession> connecting, PackSeries packs, CancellationToken cancellationToken)
    {
        // The server begins: a checkpoint, and full page images from here on.
        progress?.Report(new() { Step = BackupStep.Starting, Id = id });
        var beginTime = time.GetLocalNow();
        await using var session = await BackupSession.StartAsync(main, facts, id, options.FastCheckpoint, cancellationToken);
        try
        {
            return await CopyAsync(session, connecting, packs, beginTime, session.Lost);
        }
        catch (Exception) when (session.Failure is not null && !cancellationToken.IsCancellationRequested)
        {
            throw session.Failure;
        }
    }

    async Task<Manifest> CopyAsync(BackupSession session, Task<SqlSession> connecting, PackSeries packs, DateTimeOffset beginTime, CancellationToken cancellationToken)
    {
        // What is there to back up, and what of it has changed?
        progress?.Report(new() { Step = BackupStep.Listing, Id = id, BeginLsn = session.Begin });
        var scope = await FindScopeAsync(session, cancellationToken);

        // Read and store it.
        var packing = new Packing(packs, scope.Earlier?.Manifest.Packs ?? [], newCodec);
        var recheck = facts.DataChecksums ? new PageRecheck(session, session.Begin) : null;
        var plan = Plan(scope.Files);
        var counter = new CopyCounter(About(session, scope, plan), time, progress);
        await ReadFilesAsync(plan, connecting, () => new(packing, recheck, scope.Earlier), counter, cancellationToken);
        var control = await ReadControlFileAsync(session, packing, cancellationToken);
        var copyTime = counter.Elapsed;
        counter.Report();

        // The server ends the backup, and says what a restore begins with.
        progress?.Report(new() { Step = BackupStep.Finishing, Id = id, BeginLsn = session.Begin });
        var ending = await EndAsync(session, recheck, scope, cancellationToken);

        // What restores would be slowed by is stored anew.
        var all = Entries(scope.Files, control, ending);
        var consolidation = new Consolidation(lineage.Packs, packing, _damage, options.Jobs);
        await consolidation.RunAsync(all, Page.CountFor(counter.BytesRead), cancellationToken);
        await packs.FinishAsync(cancellationToken);
        _warnings.AddRange(_damage.Remarks);
        Warn(ending);

        // All of it is known now.
        var (entries, names) = PackNumbers.Tidy(all, packing.Names);
        return new() { Info = Describe(session, beginTime, scope, counter.BytesRead, copyTime, packs.StoredLength, ending, entries), Packs = names, Entries = entries };
    }

    BackupInfo Describe(
        BackupSession session, DateTimeOffset beginTime, Scope scope, long bytesRead, TimeSpan copyTime, long bytesStored, Ending ending, List<ManifestEntry> entries) => new()
        {
            BackupId = id.ToString(),
            Name = options.Name,
            Server = server.Name.ToString(),
            SystemId = facts.SystemId.ToString(CultureInfo.InvariantCulture),
            ServerVersion = facts.VersionNumber,
            DataDirectory = facts.DataDirectory,
            SegmentSize = facts.SegmentSize.Bytes,
            RelationSegmentBlocks = facts.RelationSegmentBlocks,
            Timeline = ending.Label.Timeline.Value,
            BeginLsnText = ending.Label.Start.ToString(),
            EndLsnText = ending.Lsn.ToString(),
            CheckpointLsnText = ending.Label.Checkpoint.ToString(),
            CheckpointTime = scope.Checkpoint.Position == ending.Label.Checkpoint ? scope.Checkpoint.Time : null,
            FromStandby = ending.Label.FromStandby,
            BeginTime = beginTime,
            EndTime = time.GetLocalNow(),
            BegunAt = session.BegunAt,
            CopySeconds = copyTime.TotalSeconds,
            Jobs = options.Jobs,
            DataChecksums = facts.DataChecksums,
            GroupAccess = facts.GroupAccess,
            ClusterSize = entries.Sum(static e => e.Length),
            ReadBytes = bytesRead,
            StoredBytes = bytesStored,
            FileCount = entries.Count(static e => e.Kind == ManifestEntryKind.File),
            Parent = scope.Selection.Since?.ToString(),
            WhyEverything = scope.WhyEverything,
            Tablespaces = scope.Files.Tablespaces,
            DamagedPages = ending.Damaged,
            DamagedPageCount = ending.DamagedCount,
            Settings = facts.Settings,
            UnreadConfigFiles = ending.Unread,
            Program = ProgramVersion.Signature,
        };

    async Task<Scope> FindScopeAsync(BackupSession session, CancellationToken cancellationToken)
    {
        var (timeline, checkpoint) = await session.ReadCheckpointAsync(cancellationToken);
        var searching = Task.Run(() => FindChangesAsync(timeline, session.Begin, checkpoint, cancellationToken), cancellationToken);
        var listing = session.UseAsync(s => FileList.ReadAsync(s, facts, cancellationToken), cancellationToken);
        await Task.WhenAll(searching, listing);
        var (earlier, changes, whyEverything) = await searching;
        var files = await listing;
        _warnings.AddRange(files.LeftOut.Select(static path => $"left out, since PostgreSQL has no such name: {path}"));
        earlier?.Match(files.Files);
        var selection = new PageSelection(earlier, changes);
        files.Files.ForEach(selection.Select);
        return new(timeline, checkpoint, files, earlier, selection, whyEverything);
    }

    async Task<(EarlierBackup? Earlier, BlockChanges? Changes, string? WhyEverything)> FindChangesAsync(
        TimelineId timeline, Lsn begin, CheckpointMark present, CancellationToken cancellationToken)
    {
        var earlier = await EarlierBackup.FindAsync(lineage, _damage, _warnings, cancellationToken);
        void Waiting() => progress?.Report(new() { Step = BackupStep.WaitingForChanges, Id = id, BeginLsn = begin });
        var (changes, reason) = await search.FindAsync(earlier, facts, timeline, begin, present, options, Waiting, cancellationToken);
        return (earlier, changes, reason);
    }

    BackupProgress About(BackupSession session, Scope scope, ReadPlan plan) => new()
    {
        Step = BackupStep.Copying,
        Id = id,
        BeginLsn = session.Begin,
        BytesTotal = plan.Length,
        ClusterLength = scope.Files.Length,
        FilesTotal = scope.Files.Files.Count,
        Since = scope.Selection.Since,
        WhyEverything = scope.WhyEverything,
    };

    ReadPlan Plan(FileList files)
    {
        // What is read whole again and again comes first, so that its pages' hashes are together in few packs. Otherwise the order stays.
        IReadOnlyList<BackupFile> ordered = [.. files.Files.OrderByDescending(PageSelection.IsReadOften)];
        // A slow reader must not hold a statement, and with it vacuum, for more than some seconds.
        var rate = options.BandwidthLimit * 1024L;
        var longest = rate > 0 ? Math.Max(rate * 5, FileReader.RowLength) : long.MaxValue;
        return new(ordered, options.Jobs, longest);
    }

    async Task ReadFilesAsync(ReadPlan plan, Task<SqlSession> connecting, Func<FrameBuilder> newBuilder, CopyCounter counter, CancellationToken cancellationToken)
    {
        var limit = new BandwidthLimit(options.BandwidthLimit * 1024L, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var count = (int)Math.Clamp((plan.Length + WorthAReader - 1) / WorthAReader, 1, options.Jobs);
        var readers = Enumerable.Range(0, count).Select(i => Task.Run(() => ReadAsync(i == 0 ? connecting : SqlSession.OpenAsync(server, "backup reader", stop.Token), stop.Token), CancellationToken.None)).ToList();
        try
        {
            await foreach (var ended in Task.WhenEach(readers))
            {
                await ended;
            }
        }
        catch
        {
            // The first failure is the one that counts. The others have been told; one that waits for a dead network
            // cannot write any more either.
            await Task.WhenAny(Task.WhenAll([stop.CancelAsync(), .. readers]), Task.Delay(SqlSession.PartingLimit, CancellationToken.None));
            throw;
        }

        async Task ReadAsync(Task<SqlSession> opening, CancellationToken token)
        {
            await using var session = await opening;
            await ExpectSameServerAsync(session, token);
            using var frames = newBuilder();
            await new FileReader(server, plan, frames, limit, counter).RunAsync(session, token);
        }
    }

    // One address may lead to several servers. Another one's files are of another moment, and nothing in the WAL would make up for it.
    async Task ExpectSameServerAsync(SqlSession session, CancellationToken cancellationToken)
    {
        var reached = await ServerInstance.ReadAsync(session, cancellationToken);
        if (reached != facts.Instance)
        {
            throw new BarkeepException(
                ErrorKind.WrongSystem,
                $"{ConnectionTarget.ForBackup(server)} leads to several servers: the backup was begun on {facts.Instance}, and a connection that was to read files has reached {reached}",
                "set host and port to an address that leads to one server only, not to a load balancer's or a name with several addresses");
        }
    }

    // Last of all files, since a standby's backup is consistent from the position in it on.
    async Task<BackupFile> ReadControlFileAsync(BackupSession session, Packing packing, CancellationToken cancellationToken)
    {
        const int Attempts = 10;
        for (var attempt = 1; ; attempt++)
        {
            var (content, modifiedAt) = (await session.UseAsync(s => s.ListAsync(
                "reading pg_control",
                $"SELECT pg_read_binary_file('global/pg_control', 0, {ControlFile.FileSize}, false), extract(epoch FROM modification)::int8 FROM pg_stat_file('global/pg_control', false)",
                static r => (r.GetFieldValue<byte[]>(0), r.GetInt64(1)), cancellationToken), cancellationToken))[0];
            try
            {
                if (ControlFile.Parse(content).SystemIdentifier != facts.SystemId)
                {
                    throw new BarkeepException(ErrorKind.WrongSystem, "pg_control names another cluster than the server itself", "check the server");
                }
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged && attempt < Attempts)
            {
                // The server was writing it.
                await Task.Delay(TimeSpan.FromMilliseconds(20), cancellationToken);
                continue;
            }
            var file = new BackupFile("global/pg_control", content.Length, modifiedAt);
            using var frames = new FrameBuilder(packing, null, null);
            content.CopyTo(frames.Space);
            await frames.AcceptAsync(file, 0, content.Length, cancellationToken);
            await frames.FlushAsync(cancellationToken);
            return file;
        }
    }

    async Task<Ending> EndAsync(BackupSession session, PageRecheck? recheck, Scope scope, CancellationToken cancellationToken)
    {
        var (external, unread) = await session.UseAsync(s => ConfigurationFiles.ReadAsync(s, facts, cancellationToken), cancellationToken);
        var damaged = await DamagedAsync(session, recheck, cancellationToken);
        var (end, labelFile) = await session.StopAsync(cancellationToken);
        var label = ParseLabel(labelFile, session.Begin, scope.Selection.Since is null ? null : scope.Timeline);
        return new(label, labelFile, end, external, unread, damaged, recheck?.DamagedCount ?? 0);
    }

    async Task<IReadOnlyList<DamagedPage>> DamagedAsync(BackupSession session, PageRecheck? recheck, CancellationToken cancellationToken) =>
        recheck is { DamagedCount: > 0 }
            ? await session.UseAsync(s => RelationNames.AddAsync(s, facts, recheck.Damaged, cancellationToken), cancellationToken)
            : [];

    static BackupLabel ParseLabel(byte[] content, Lsn begin, TimelineId? timeline)
    {
        try
        {
            var label = BackupLabel.Parse(content);
            return label.Start == begin && label.Timeline == (timeline ?? label.Timeline)
                ? label
                : throw new FormatException($"it begins at {label.Start} on timeline {label.Timeline}, the backup at {begin} on timeline {timeline}");
        }
        catch (FormatException e)
        {
            throw new BarkeepException(ErrorKind.ServerError, $"the server's backup_label cannot be used: {e.Message}", null, e);
        }
    }

    void Warn(Ending ending)
    {
        if (ending.DamagedCount > 0)
        {
            _warnings.Add($"{ending.DamagedCount} pages on the server do not match their checksums: see show-backup {id}");
        }
        _warnings.AddRange(ending.Unread.Select(path => $"the role {server.BackupUser} may not read the configuration file {path}: GRANT pg_read_server_files to it, or keep a copy of the file"));
    }

    static List<ManifestEntry> Entries(FileList files, BackupFile control, Ending ending)
    {
        var entries = new List<ManifestEntry>(files.Files.Count + files.Directories.Count + ending.ConfigurationFiles.Count + 2);
        entries.AddRange(files.Directories.Distinct(StringComparer.Ordinal).Select(ManifestEntry.Directory));
        foreach (var file in files.Files.Append(control))
        {
            if (file.ToEntry() is { } entry)
            {
                entries.Add(entry);
            }
        }
        entries.Add(ManifestEntry.Inline("backup_label", ending.LabelFile));
        entries.AddRange(ending.ConfigurationFiles);
        entries.Sort(static (a, b) => ManifestEntry.ComparePaths(a.Path, b.Path));
        return entries;
    }

    /// <summary>What there is to back up.</summary>
    /// <param name="Earlier">What it can build on.</param>
    sealed record Scope(TimelineId Timeline, CheckpointMark Checkpoint, FileList Files, EarlierBackup? Earlier, PageSelection Selection, string? WhyEverything);

    /// <summary>What became known when the server ended the backup.</summary>
    /// <param name="Lsn">Where the cluster is consistent.</param>
    /// <param name="ConfigurationFiles">Those outside the data directory.</param>
    /// <param name="Unread">Those of them that the role may not read.</param>
    /// <param name="Damaged">The first of the pages with a bad checksum.</param>
    sealed record Ending(
        BackupLabel Label, byte[] LabelFile, Lsn Lsn, List<ManifestEntry> ConfigurationFiles, List<string> Unread, IReadOnlyList<DamagedPage> Damaged, long DamagedCount);
}
