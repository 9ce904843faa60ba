namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>A transaction that a history has begun and not ended, in an open session or prepared.</summary>
/// <param name="OnCommit">What its commit changes in the model.</param>
sealed record ModelTransaction(string Name, ModelDatabase Database, bool IsPrepared, ModelTable? Table, Action? OnCommit);
