using System.CommandLine;
using System.CommandLine.Help;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary>What can be said to the program, by the name that it is called by.</summary>
static class CommandTree
{
    public static Command For(string programName) => programName switch
    {
        ProgramName.SetupBarman => Alone(new SetupCommand(ProgramName.SetupBarman)),
        ProgramName.RestoreLast => Alone(new RestoreLastCommand()),
        ProgramName.Barman => Root(BarmansCommands()),
        _ => Root([.. BarmansCommands(), new RestoreLastCommand(), new SetupCommand("setup"), new ServeCommand()]),
    };

    static IEnumerable<Command> BarmansCommands() =>
    [
        new BackupCommand(),
        new CheckBackupCommand(),
        new CheckCommand(),
        new CronCommand(),
        new DeleteCommand(),
        new DiagnoseCommand(),
        new GcCommand(),
        new GetWalCommand(),
        new ListBackupsCommand(),
        new ListFilesCommand(),
        new ListServersCommand(),
        new PrefetchWalCommand(),
        new ReceiveWalCommand(),
        new ReplicationStatusCommand(),
        new RestoreCommand(),
        new ShowBackupCommand(),
        new ShowServersCommand(),
        new StatusCommand(),
        new SwitchWalCommand(),
        new VerifyBackupCommand(),
        new WalRestoreCommand(),
    ];

    static RootCommand Root(IEnumerable<Command> commands)
    {
        var root = new RootCommand("Continuous backup and fast restore for PostgreSQL.");
        root.Options.OfType<VersionOption>().Single().Aliases.Add("-v");
        foreach (var command in commands)
        {
            root.Add(command);
        }
        return WithGlobalOptions(root);
    }

    // A link to one command: what follows its name are that command's options.
    static SessionCommand Alone(SessionCommand command)
    {
        command.Add(new HelpOption());
        return WithGlobalOptions(command);
    }

    static T WithGlobalOptions<T>(T command)
        where T : Command
    {
        foreach (var option in GlobalOptions.All)
        {
            command.Add(option);
        }
        return command;
    }
}
