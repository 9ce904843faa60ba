using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Restores;

namespace Barkeep.Cli;

/// <summary><c>restore</c>: one backup and the WAL received since, to its end or to a target before it, into a directory.</summary>
sealed class RestoreCommand : SessionCommand
{
    const string NoSnapshots = "leave it out: backups are in the repository, not in a cloud's snapshots";

    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup("auto");
    readonly Argument<string> _destination = CommonArguments.Place("DESTINATION", "the directory that becomes the data directory: empty, or not there yet; a copy of the cluster with --delta");
    readonly RecoveryOptionGroup _recovery = new();
    readonly RestoreOptionGroup _options = new();

    readonly NotHereOptions _notHere = new(new Dictionary<string, string>
    {
        ["--remote-ssh-command"] = "run barkeep on that machine, with the repository mounted or copied there",
        ["--combine-mode"] = "leave it out: every backup is whole, and nothing has to be combined",
        ["--snapshot-recovery-instance"] = NoSnapshots,
        ["--snapshot-recovery-zone"] = NoSnapshots,
        ["--gcp-zone"] = NoSnapshots,
        ["--azure-resource-group"] = NoSnapshots,
        ["--aws-region"] = NoSnapshots,
    });

    readonly IgnoredOptions _ignored = new(
        "--retry-times", "--retry-sleep", "--no-retry!", "--partial-wal!", "--skip-archive-wal!", "--no-delta-restore!",
        "--network-compression!", "--no-network-compression!", "--jobs-start-batch-period", "--jobs-start-batch-size", "--staging-path",
        "--staging-location", "--staging-wal-directory", "--recovery-staging-path", "--local-staging-path", "--recovery-conf-filename", "--recovery-option-port");

    public RestoreCommand()
        : base("restore", "Restore a backup and the WAL received since into a directory.")
    {
        Aliases.Add("recover");
        _backup.Description += "; or auto, the newest that suits the target";
        Add(_server);
        Add(_backup);
        Add(_destination);
        _recovery.AddTo(this);
        _options.AddTo(this);
        _notHere.AddTo(this);
        _ignored.AddTo(this);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        _notHere.Refuse(parse);
        _ignored.Warn(session, parse);
        var server = session.FindForRestore(parse.GetValue(_server)!);
        var word = parse.GetValue(_backup)!;
        // Which of the newest ones can be used is the restore's to find out.
        var backup = word is "latest" or "last" or "auto" or "latest-full" or "last-full"
            ? null
            : (await ServerBackups.ReadAsync(session, server, withWal: false, cancellationToken)).Find(server, word);
        var options = _options.Apply(new RestoreOptions
        {
            Locations = session.Locations,
            Server = server,
            Target = Path.GetFullPath(parse.GetValue(_destination)!),
            Backup = backup?.Id,
            SuitsTarget = word == "auto",
        }, parse);
        await RestoreReport.RunAsync(session, _recovery.Apply(options, session, parse), _options.IsDryRun(parse), cancellationToken);
        return 0;
    }
}
