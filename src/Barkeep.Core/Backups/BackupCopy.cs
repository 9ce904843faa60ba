using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>One backup from pg_backup_start to its manifest; what surrounds that is <see cref="BackupJob"/>'s.</summary>
sealed class BackupCopy(ServerConfig server, ServerFacts facts, BackupId id, BackupOptions options, TimeProvider time, IProgress<BackupProgress>? progress)
{
    readonly List<string> _warnings = [];

    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>Takes the backup. All packs are durable when it returns, and nothing of it is left on the server.</summary>
    public async Task<Manifest> RunAsync(PackSeries packs, CancellationToken cancellationToken)
    {
        // The server begins: a checkpoint, and full page images from here on.
        progress?.Report(new() { Step = BackupStep.Starting, Id = id });
        var beginTime = time.GetLocalNow();
        await using var session = await BackupSession.StartAsync(server, facts, id, options.FastCheckpoint, cancellationToken);
        try
        {
            return await CopyAsync(session, packs, beginTime, session.Lost);
        }
        catch (Exception) when (session.Failure is not null && !cancellationToken.IsCancellationRequested)
        {
            throw session.Failure;
        }
    }

    async Task<Manifest> CopyAsync(BackupSession session, PackSeries packs, DateTimeOffset beginTime, CancellationToken cancellationToken)
    {
        // What is there to back up.
        progress?.Report(new() { Step = BackupStep.Listing, Id = id, BeginLsn = session.Begin });
        var files = await session.UseAsync(s => FileList.ReadAsync(s, facts, cancellationToken), cancellationToken);
        _warnings.AddRange(files.LeftOut.Select(static path => $"left out, since PostgreSQL has no such name: {path}"));

        // Read and store it.
        var packing = new Packing(packs);
        var recheck = facts.DataChecksums ? new PageRecheck(session, session.Begin) : null;
        var counter = new CopyCounter(id, session.Begin, files, time, progress);
        await ReadFilesAsync(files, packing, recheck, counter, cancellationToken);
        var control = await ReadControlFileAsync(session, packing, cancellationToken);
        var copyTime = counter.Elapsed;
        counter.Report();

        // The server ends the backup, and says what a restore begins with.
        progress?.Report(new() { Step = BackupStep.Finishing, Id = id, BeginLsn = session.Begin });
        var (external, unread) = await session.UseAsync(s => ConfigurationFiles.ReadAsync(s, facts, cancellationToken), cancellationToken);
        var damaged = await DamagedAsync(session, recheck, cancellationToken);
        var (end, labelFile) = await session.StopAsync(cancellationToken);
        var label = ParseLabel(labelFile, session.Begin);
        await packs.FinishAsync(cancellationToken);
        Warn(recheck?.DamagedCount ?? 0, unread);

        var entries = Entries(files, control, labelFile, external);
        return new()
        {
            Info = new()
            {
                BackupId = id.ToString(),
                Name = options.Name,
                Server = server.Name.ToString(),
                SystemId = facts.SystemId.ToString(System.Globalization.CultureInfo.InvariantCulture),
                ServerVersion = facts.VersionNumber,
                DataDirectory = facts.DataDirectory,
                SegmentSize = facts.SegmentSize.Bytes,
                RelationSegmentBlocks = facts.RelationSegmentBlocks,
                Timeline = label.Timeline.Value,
                BeginLsnText = label.Start.ToString(),
                EndLsnText = end.ToString(),
                BeginTime = beginTime,
                EndTime = time.GetLocalNow(),
                CopySeconds = copyTime.TotalSeconds,
                Jobs = options.Jobs,
                DataChecksums = facts.DataChecksums,
                GroupAccess = facts.GroupAccess,
                ClusterSize = entries.Sum(static e => e.Length),
                ReadBytes = counter.BytesRead,
                StoredBytes = packs.StoredLength,
                FileCount = entries.Count(static e => e.Kind == ManifestEntryKind.File),
                Tablespaces = files.Tablespaces,
                DamagedPages = damaged,
                DamagedPageCount = recheck?.DamagedCount ?? 0,
                Settings = facts.Settings,
                UnreadConfigFiles = unread,
                Program = BackupJob.Program,
            },
            Packs = packing.Names,
            Entries = entries,
        };
    }

    async Task ReadFilesAsync(FileList files, Packing packing, PageRecheck? recheck, CopyCounter counter, CancellationToken cancellationToken)
    {
        var rate = options.BandwidthLimit * 1024L;
        var limit = new BandwidthLimit(rate, time);
        // A slow reader must not hold a statement, and with it vacuum, for more than some seconds.
        var plan = new ReadPlan(files.Files, limit.IsLimited ? Math.Clamp(rate * 5, FileReader.RowLength, ReadPlan.DefaultPortion) : ReadPlan.DefaultPortion);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var readers = Enumerable.Range(0, options.Jobs)
            .Select(_ => Task.Run(() => new FileReader(server, plan, packing, recheck, limit, counter).RunAsync(stop.Token), CancellationToken.None)).ToList();
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
            using var frames = new FrameBuilder(packing, null);
            content.CopyTo(frames.Space);
            await frames.AcceptAsync(file, 0, content.Length, cancellationToken);
            await frames.FlushAsync(cancellationToken);
            return file;
        }
    }

    async Task<IReadOnlyList<DamagedPage>> DamagedAsync(BackupSession session, PageRecheck? recheck, CancellationToken cancellationToken) =>
        recheck is { DamagedCount: > 0 }
            ? await session.UseAsync(s => RelationNames.AddAsync(s, facts, recheck.Damaged, cancellationToken), cancellationToken)
            : [];

    static BackupLabel ParseLabel(byte[] content, Lsn begin)
    {
        try
        {
            var label = BackupLabel.Parse(content);
            return label.Start == begin ? label : throw new FormatException($"it begins at {label.Start}, the backup at {begin}");
        }
        catch (FormatException e)
        {
            throw new BarkeepException(ErrorKind.ServerError, $"the server's backup_label cannot be used: {e.Message}", null, e);
        }
    }

    void Warn(long damaged, List<string> unread)
    {
        if (damaged > 0)
        {
            _warnings.Add($"{damaged} pages on the server do not match their checksums: see show-backup {id}");
        }
        _warnings.AddRange(unread.Select(path => $"the role {server.BackupUser} may not read the configuration file {path}: GRANT pg_read_server_files to it, or keep a copy of the file"));
    }

    static List<ManifestEntry> Entries(FileList files, BackupFile control, byte[] label, List<ManifestEntry> external)
    {
        var entries = new List<ManifestEntry>(files.Files.Count + files.Directories.Count + external.Count + 2);
        entries.AddRange(files.Directories.Distinct(StringComparer.Ordinal).Select(ManifestEntry.Directory));
        foreach (var file in files.Files.Append(control))
        {
            if (file.ToEntry() is { } entry)
            {
                entries.Add(entry);
            }
        }
        entries.Add(ManifestEntry.Inline("backup_label", label));
        entries.AddRange(external);
        entries.Sort(static (a, b) => ManifestEntry.ComparePaths(a.Path, b.Path));
        return entries;
    }
}
