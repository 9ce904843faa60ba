using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Received;
using Barkeep.Receiving;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>A server whose WAL is received: by a receiver within the test, or by the program, started on the same home.</summary>
sealed class Reception : IAsyncDisposable
{
    public const string Slot = "barkeep_rig";

    readonly LogLines _log = new();
    TestCluster? _own;
    CancellationTokenSource? _stop;
    Task? _running;

    Reception(TestCluster cluster, BarkeepRig rig, ServerConfig config)
    {
        Cluster = cluster;
        Rig = rig;
        Config = config;
        Locations = Locations.From(name => rig.Environment.GetValueOrDefault(name));
    }

    public TestCluster Cluster { get; set; }

    public BarkeepRig Rig { get; }

    public ServerConfig Config { get; set; }

    public Locations Locations { get; }

    public Lineage Lineage { get; private set; } = null!;

    public SegmentSize Size => Lineage.Identity.SegmentSize;

    public string Log => _log.ToString();

    public WalSpool Spool => WalSpool.Of(Lineage, Config.Name, Locations);

    public ReceiverState? State => ReceiverState.TryRead(Locations.ReceiverStateFile(Config.Name));

    /// <summary>Makes a cluster, its roles, and a repository that has adopted it.</summary>
    public static async Task<Reception> PrepareAsync(TestClusterOptions? options = null, int? port = null, TimeSpan? receiveTimeout = null)
    {
        var cluster = await TestCluster.StartNewAsync(options);
        var roles = await cluster.CreateBarkeepRolesAsync();
        var reception = await OfAsync(cluster, roles, port, receiveTimeout);
        reception._own = cluster;
        return reception;
    }

    /// <summary>Of a cluster that is there; it is not ended with this object.</summary>
    public static async Task<Reception> OfAsync(TestCluster cluster, BarkeepRoles roles, int? port = null, TimeSpan? receiveTimeout = null, string? home = null)
    {
        var rig = new BarkeepRig();
        if (home is not null)
        {
            rig.Environment["BARKEEP_HOME"] = home;
        }
        var seconds = (int)(receiveTimeout ?? TimeSpan.FromSeconds(60)).TotalSeconds;
        rig.WriteServer("main", cluster, roles, new Dictionary<string, System.Text.Json.Nodes.JsonNode?> { ["slot_name"] = Slot, ["receive_timeout"] = $"{seconds}" }, port);
        var locations = Locations.From(name => rig.Environment.GetValueOrDefault(name));
        var config = new ConfigReader(locations, new Dictionary<string, string>()).Read(ServerName.Parse("main"));
        var reception = new Reception(cluster, rig, config);
        await reception.AdoptAsync(acceptNew: false);
        return reception;
    }

    /// <summary>What setup does.</summary>
    public async Task AdoptAsync(bool acceptNew)
    {
        await using var connection = await ReplicationConnection.ConnectAsync(ConnectionTarget.ForStreaming(Config), default);
        var identity = await connection.IdentifySystemAsync(default);
        var repository = await Repository.OpenAsync(Locations.RepositoryDirectory(Config.Name), default);
        Lineage = await repository.AdoptAsync(
            new(identity.SystemId, connection.MajorVersion, await connection.ShowSegmentSizeAsync(default)), acceptNew, TimeProvider.System.GetUtcNow(), default);
        SetupFile.Write(Locations.SetupFile(Config.Name), TimeProvider.System.GetUtcNow(), new Dictionary<string, string>());
    }

    /// <summary>Makes the slot, as setup does: WAL is kept from now on.</summary>
    public async Task CreateSlotAsync()
    {
        await using var connection = await ReplicationConnection.ConnectAsync(ConnectionTarget.ForStreaming(Config), default);
        await connection.CreateSlotAsync(Slot, default);
    }

    public void Start()
    {
        _stop = new();
        _running = Task.Run(() => new WalReceiver(Config, Locations, TimeProvider.System, _log).RunAsync(_stop.Token));
    }

    public bool IsRunning => _stop is not null;

    public async Task StopAsync()
    {
        await _stop!.CancelAsync();
        await _running!;
        _stop.Dispose();
        _stop = null;
    }

    /// <summary>Starts the program itself, to be killed or traced.</summary>
    public BarkeepProcess StartProcess(Strace? strace = null) => Rig.Start(strace, "barkeep", "receive-wal", "main");

    public Task<ReceiverState> PhaseAsync(ReceiverPhase phase, ErrorKind? kind = null) => StateAsync(s => s.Phase == phase && (kind is null || s.Kind == kind), $"phase {phase} {kind}");

    public async Task<ReceiverState> StateAsync(Func<ReceiverState, bool> accepted, string what)
    {
        try
        {
            return (await Eventually.GivesAsync(() => _running is { IsFaulted: true } ? throw _running.Exception! : State, s => s is not null && accepted(s), what))!;
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{Log}", e);
        }
    }

    public async Task<Lsn> ServerFlushedAsync() => Lsn.Parse(await Cluster.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text"));

    /// <summary>The slot's restart_lsn: what the server has been told is flushed.</summary>
    public async Task<Lsn> SlotPositionAsync() =>
        Lsn.TryParse(await Cluster.ScalarAsync<string>($"SELECT coalesce(max(restart_lsn::text), '') FROM pg_replication_slots WHERE slot_name = '{Slot}'"), out var lsn) ? lsn : default;

    /// <summary>Waits until the server has been told that all its WAL is flushed here.</summary>
    public async Task CaughtUpAsync()
    {
        var goal = await ServerFlushedAsync();
        try
        {
            await Eventually.IsTrueAsync(async () => await SlotPositionAsync() >= goal, $"the slot reaches {goal}");
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}; state {State}\n{Log}", e);
        }
    }

    /// <summary>Writes about so much WAL in transactions of their own.</summary>
    public Task WriteAsync(int megabytes, string table = "load") => Cluster.SqlAsync($"""
        CREATE TABLE IF NOT EXISTS {table} (i bigint, t text);
        INSERT INTO {table} SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, {megabytes * 1000}) i
        """);

    /// <summary>Writes until told to stop, a transaction of about 100 kB at a time.</summary>
    /// <returns>How many transactions the server has acknowledged.</returns>
    public async Task<int> KeepWritingAsync(CancellationToken stop, TestCluster? to = null)
    {
        var cluster = to ?? Cluster;
        await cluster.SqlAsync("CREATE TABLE IF NOT EXISTS busy (i bigint, t text)");
        var written = 0;
        try
        {
            while (!stop.IsCancellationRequested)
            {
                await cluster.SqlAsync($"INSERT INTO busy SELECT {written}, repeat(md5(i::text), 30) FROM generate_series(1, 100) i");
                written++;
            }
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException)
        {
            // The server is gone, as the test wants it.
        }
        return written;
    }

    /// <summary>Waits until nothing complete is left in the spool.</summary>
    public Task ArchivedAsync() => Eventually.IsTrueAsync(() => Spool.List().All(f => f.Length < Size.Bytes), "the spool is empty but for the tail");

    public async Task<byte[]> StoredAsync(SegmentName name, bool partial = false)
    {
        using var content = new MemoryStream();
        await Lineage.Wal.CopySegmentAsync(name, partial, content, default);
        return content.ToArray();
    }

    /// <summary>Flips the bits of a byte in a stored segment.</summary>
    public async Task RotAsync(SegmentName name)
    {
        var path = Directory.EnumerateFiles(Locations.RepositoryDirectory(Config.Name), $"{name}", SearchOption.AllDirectories).Single(static f => f.Contains("/wal/", StringComparison.Ordinal));
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^50] ^= 0xFF;
        await File.WriteAllBytesAsync(path, bytes);
    }

    /// <summary>
    /// Compares every stored segment, and every spooled one as far as it goes, with the server's own files, and sees to it that none is
    /// missing in between.
    /// </summary>
    /// <returns>How many stored segments were compared.</returns>
    public async Task<int> AssertEqualsServerAsync(string? pgWal = null, TimelineId? timeline = null)
    {
        pgWal ??= Path.Combine(Cluster.DataDirectory, "pg_wal");
        var stored = (await Lineage.Wal.ListSegmentsAsync(default)).Where(s => !s.IsPartial && (timeline is null || s.Name.Timeline == timeline)).Select(s => s.Name).ToList();
        var gaps = await Lineage.Wal.ListGapsAsync(default);
        var compared = 0;
        SegmentName? before = null;
        foreach (var name in stored)
        {
            var server = Path.Combine(pgWal, $"{name}");
            if (File.Exists(server))
            {
                var (ours, theirs) = (await StoredAsync(name), await File.ReadAllBytesAsync(server));
                Assert.True(ours.AsSpan().SequenceEqual(theirs), $"{name} differs from the server's");
                compared++;
            }
            if (before is { } last && last.Timeline == name.Timeline && !gaps.Any(g => g.To == name.Start(Size)))
            {
                Assert.Equal(last.Next(Size), name);
            }
            before = name;
        }
        foreach (var (name, length) in Spool.List().Where(f => timeline is null || f.Name.Timeline == timeline))
        {
            if (File.Exists(Path.Combine(pgWal, $"{name}")))
            {
                var (ours, theirs) = (await File.ReadAllBytesAsync(Spool.PathOf(name)), await File.ReadAllBytesAsync(Path.Combine(pgWal, $"{name}")));
                Assert.True(ours.AsSpan().SequenceEqual(theirs.AsSpan(0, (int)length)), $"{name} in the spool differs from the server's");
            }
        }
        return compared;
    }

    public async ValueTask DisposeAsync()
    {
        if (_stop is not null)
        {
            await _stop.CancelAsync();
            await _running!.ContinueWith(_ => { }, TaskScheduler.Default);
        }
        await Rig.DisposeAsync();
        if (_own is not null)
        {
            await _own.DisposeAsync();
        }
    }
}
