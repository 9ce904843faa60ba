using System.CommandLine;
using System.Globalization;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Restores;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary><c>restore</c>: one backup and the WAL received since, into a directory.</summary>
sealed class RestoreCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup();
    readonly Argument<string> _destination = new("DESTINATION") { Description = "the directory that becomes the data directory: empty, or not there yet; a copy of the cluster with --delta" };
    readonly Option<string> _timeline = new("--target-tli") { Description = "a timeline's number, latest (the default) or current: the backup's own" };
    readonly RestoreOptionGroup _options = new();

    // They would change what is restored: not to be ignored.
    readonly IgnoredOptions _notYet = new(
        "--target-time", "--target-xid", "--target-lsn", "--target-name", "--target-immediate!", "--exclusive!", "--target-action", "--standby-mode!",
        "--get-wal!", "--restore-command", "--remote-ssh-command", "--snapshot-recovery-instance", "--combine-mode");

    readonly IgnoredOptions _ignored = new(
        "--bwlimit", "--retry-times", "--retry-sleep", "--no-retry!", "--no-get-wal!", "--partial-wal!", "--skip-archive-wal!", "--no-delta-restore!",
        "--network-compression!", "--no-network-compression!", "--jobs-start-batch-period", "--jobs-start-batch-size", "--staging-path",
        "--staging-location", "--staging-wal-directory", "--recovery-staging-path", "--local-staging-path", "--recovery-conf-filename", "--recovery-option-port");

    public RestoreCommand()
        : base("restore", "Restore a backup and the WAL received since into a directory.")
    {
        Aliases.Add("recover");
        Add(_server);
        Add(_backup);
        Add(_destination);
        Add(_timeline);
        _options.AddTo(this);
        _notYet.AddTo(this);
        _ignored.AddTo(this);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        if (_notYet.Given(parse).FirstOrDefault() is { } option)
        {
            throw new BarkeepException(ErrorKind.Usage, $"{option} is not here yet", "a restore goes to the end of the received WAL, and is made on this machine");
        }
        _ignored.Warn(session, parse);
        var server = session.FindForRestore(parse.GetValue(_server)!);
        var word = parse.GetValue(_backup)!;
        // Which of the newest ones can be used is the restore's to find out.
        var backup = word is "latest" or "last" or "auto" or "latest-full" or "last-full"
            ? null
            : (await ServerBackups.ReadAsync(session, server, withWal: false, cancellationToken)).Find(server, word);
        await RestoreReport.RunAsync(session, new RestoreOptions
        {
            Locations = session.Locations,
            Server = server,
            Target = Path.GetFullPath(parse.GetValue(_destination)!),
            Backup = backup?.Id,
            Timeline = Timeline(parse.GetValue(_timeline), backup),
            Tablespaces = _options.Tablespaces(parse),
            Owner = _options.Owner(parse),
            Jobs = _options.Jobs(parse),
            IsDelta = _options.IsDelta(parse),
        }, _options.IsDryRun(parse), cancellationToken);
        return 0;
    }

    static TimelineId? Timeline(string? text, ServerBackup? backup) => text switch
    {
        null or "latest" => null,
        "current" when backup?.Info is { } info => new TimelineId(info.Timeline),
        _ when uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 => new TimelineId(number),
        _ => throw new BarkeepException(ErrorKind.Usage, $"--target-tli {text} is neither a timeline's number nor latest", "current needs a backup's id"),
    };
}
