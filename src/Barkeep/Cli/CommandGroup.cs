namespace Barkeep.Cli;

/// <summary>Commands for one thing that a person wants, as help and manual show them.</summary>
sealed record CommandGroup(string Title, params IReadOnlyList<SessionCommand> Commands);
