namespace Barkeep.Cli.Shared;

/// <summary>What <c>-f</c> chooses.</summary>
enum OutputFormat
{
    /// <summary>Lines for people.</summary>
    Console,

    /// <summary>One object, printed when the command ends.</summary>
    Json,
}
