using System.CommandLine;
using System.Globalization;
using Barkeep.Backups;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Health;
using Barkeep.Postgres;
using Barkeep.Repo;
using Barkeep.Setup;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary>
/// <c>setup-barman</c>: proves that a server can be backed up, starts to receive its WAL, takes the first backup, and checks it
/// all. To be run again after any change; what is there already is left as it is.
/// </summary>
sealed class SetupCommand : SessionCommand
{
    static readonly TimeSpan FlowLimit = TimeSpan.FromSeconds(60);
    static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);

    readonly Argument<string[]> _servers = CommonArguments.ServersOrAll();
    readonly Option<bool> _noBackup = new("--no-initial-backup") { Description = "take no backup" };
    readonly Option<bool> _noVerify = new("--no-verify") { Description = "remember the configuration, connect to nothing: for restoring when the server is gone" };
    readonly Option<bool> _printSql = new("--print-sql") { Description = "print the SQL that makes the roles, do nothing" };
    readonly Option<bool> _acceptNew = new("--accept-new-system") { Description = "take another database cluster for the server from now on, after initdb or pg_upgrade" };

    public SetupCommand(string name)
        : base(name, "Set servers up: check them, stream their WAL, take a first backup.")
    {
        Add(_servers);
        Add(_noBackup);
        Add(_noVerify);
        Add(_printSql);
        Add(_acceptNew);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var named = parse.GetValue(_servers)!;
        var servers = session.Select(named.Length == 0 ? ["all"] : named);
        if (parse.GetValue(_printSql))
        {
            return session.ForEachAsync(servers, server =>
            {
                session.Output.Line(RoleScript.For(session.Config.Read(server)).TrimEnd());
                return Task.FromResult(0);
            });
        }
        return session.ForEachAsync(servers, server => parse.GetValue(_noVerify)
            ? Task.FromResult(Remember(session, server))
            : SetUpAsync(session, server, parse.GetValue(_acceptNew), !parse.GetValue(_noBackup), cancellationToken));
    }

    static int Remember(Session session, ServerName server)
    {
        _ = session.Config.Read(server);
        new LocalSetup(session.Config, server, session.Time).Remember();
        session.Output.Info($"Server {server} is configured; nothing was checked (--no-verify)");
        return 0;
    }

    static async Task<int> SetUpAsync(Session session, ServerName server, bool acceptNew, bool backup, CancellationToken cancellationToken)
    {
        session.Output.Info($"Setting up server {server}");

        // Nothing is written before the server has proved that it can be backed up.
        var config = session.Config.Read(server);
        var report = await new RemoteSetup(config, session.Time).CheckAsync(cancellationToken);
        Describe(session, config, report);
        var local = new LocalSetup(session.Config, server, session.Time);
        await local.CheckIdentityAsync(report.Identity, acceptNew, cancellationToken);

        // The slot keeps WAL from here on. Its default name has the installation's id, so that comes first.
        local.MakeInstallation();
        config = session.Config.Read(server);
        var duty = new ReceiverDuty(session, server);
        var slot = await new RemoteSetup(config, session.Time).EnsureSlotAsync(duty.IsRunning, cancellationToken);
        Describe(session, config, slot);

        // From here on the server is set up.
        await local.AdoptAsync(report.Identity, acceptNew, cancellationToken);
        var changed = local.Remember();
        await StreamAsync(session, config, duty, changed, cancellationToken);
        if (backup)
        {
            await EnsureBackupAsync(session, config, cancellationToken);
        }
        return await CheckAsync(session, config, backup, cancellationToken);
    }

    static void Describe(Session session, ServerConfig config, SetupReport report)
    {
        var facts = report.Facts;
        session.Output.Info(string.Create(CultureInfo.InvariantCulture, $"Connected to PostgreSQL {facts.MajorVersion} at {config.Host}:{config.Port}: {(facts.IsInRecovery ? "standby" : "primary")}, system identifier {facts.SystemId}, WAL segments of {facts.SegmentSize.Bytes >> 20} MiB"));
        session.Output.Info(facts.DataChecksums ? "Data checksums are on: each page is checked as it is backed up" : "Data checksums are off: damaged pages cannot be noticed");
        session.Output.Info($"Roles {config.BackupUser} and {config.StreamingUser} have the privileges that a backup needs");
        foreach (var statement in report.MissingStatements)
        {
            session.Output.Warning($"not needed, but of use: {statement}");
        }
    }

    static void Describe(Session session, ServerConfig config, SlotReport slot)
    {
        session.Output.Info(slot.Created ? $"Created the replication slot {config.SlotName}" : $"The replication slot {config.SlotName} exists");
        foreach (var abandoned in slot.Abandoned)
        {
            session.Output.Warning($"replication slot {abandoned.Name} of another installation is not in use and makes the server keep {new ByteSize(abandoned.RetainedBytes)} of WAL, until its disk is full; if that installation is gone, run there: SELECT pg_drop_replication_slot('{abandoned.Name}')");
        }
    }

    static async Task StreamAsync(Session session, ServerConfig config, ReceiverDuty duty, bool changed, CancellationToken cancellationToken)
    {
        // A receiver keeps the configuration, and the passwords, that it was started with.
        if (duty.IsRunning && (changed || !duty.IsStreaming))
        {
            session.Output.Info("Restarting the WAL receiver");
            await duty.StopAsync(StopLimit, cancellationToken);
        }
        var position = await ProvokeAsync(config, cancellationToken);
        var started = duty.EnsureRunning();
        session.Output.Info(started is null ? "The WAL receiver runs" : $"Started the WAL receiver; its log is {session.Locations.ReceiverLog(config.Name)}");
        session.Output.Info($"Waiting for WAL up to {position}");
        await duty.WaitUntilFlushedAsync(position, started, FlowLimit, cancellationToken);
        session.Output.Info("WAL flows");
    }

    // On an idle server nothing flows, so a little is written first.
    static async Task<Lsn> ProvokeAsync(ServerConfig config, CancellationToken cancellationToken)
    {
        await using var sql = await SqlSession.OpenAsync(config, "setup", cancellationToken);
        if (!await sql.ScalarAsync<bool>("asking whether it is a standby", "SELECT pg_is_in_recovery()", cancellationToken))
        {
            await sql.WriteLittleWalAsync(cancellationToken);
        }
        return Lsn.Parse(await sql.ScalarAsync<string>(
            "reading the WAL position",
            "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END)::text",
            cancellationToken));
    }

    static async Task EnsureBackupAsync(Session session, ServerConfig config, CancellationToken cancellationToken)
    {
        var lineage = await session.OpenLineageAsync(config.Name, cancellationToken);
        if ((await lineage.Backups.ListAsync(cancellationToken)).LastOrDefault(static b => b.State is BackupState.Done or BackupState.WaitingForWals) is { } usable)
        {
            var coverage = await CoverageReport.LookAsync(session, config.Name, lineage, cancellationToken);
            if (coverage.Lack is null)
            {
                session.Output.Info($"Backup {coverage.Latest ?? usable.Id} exists; taking no other");
                return;
            }
            session.Output.Info($"Backup {usable.Id} exists, but {coverage.Lack}: taking another");
        }
        await BackupReport.RunAsync(session, config, new BackupOptions { Jobs = config.Jobs, BandwidthLimit = config.BandwidthLimit }, cancellationToken);
    }

    static async Task<int> CheckAsync(Session session, ServerConfig config, bool backup, CancellationToken cancellationToken)
    {
        session.Output.Info($"Checking barman status of {config.Name}");
        var (_, findings) = await CheckReport.GatherAsync(session, config, cancellationToken);
        CheckReport.Print(session, config.Name, findings);
        return findings.All(f => f.Passed || (!backup && f.Name == Checklist.UsableBackup)) ? 0 : (int)ErrorKind.Failed;
    }
}
