using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Restores;

namespace Barkeep.Cli;

/// <summary><c>restore-last</c>: the newest usable backup and all WAL received since, into the restore directory.</summary>
sealed class RestoreLastCommand : SessionCommand
{
    readonly Argument<string?> _server = CommonArguments.OnlyServer();
    readonly RestoreOptionGroup _options = new();

    public RestoreLastCommand()
        : base(ProgramName.RestoreLast, "Restore the newest usable backup and all WAL received since into BARKEEP_RESTORE.")
    {
        Add(_server);
        _options.AddTo(this);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var options = _options.Apply(new RestoreOptions
        {
            Locations = session.Locations,
            Server = parse.GetValue(_server) is { } name ? session.FindForRestore(name) : Only(session),
            Target = session.Locations.Restore,
        }, parse);
        await RestoreReport.RunAsync(session, options, _options.IsDryRun(parse), cancellationToken);
        return 0;
    }

    static ServerName Only(Session session) => session.ListServers() switch
    {
        [var server] => server,
        var several => throw new BarkeepException(ErrorKind.Usage, "there are several servers", $"say which: restore-last {string.Join(" | ", several)}"),
    };
}
