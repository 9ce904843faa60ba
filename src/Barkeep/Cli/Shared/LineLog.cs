using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Barkeep.Cli.Shared;

/// <summary>The log: one line a message on stderr, with the time, the level and the process.</summary>
sealed class LineLog(TextWriter writer, LogLevel level, TimeProvider time) : ILogger
{
    readonly Lock _lock = new();

    public LogLevel Level { get; set; } = level;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= Level && logLevel != LogLevel.None;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }
        var line = string.Create(CultureInfo.InvariantCulture, $"{time.GetLocalNow():yyyy-MM-dd HH:mm:ss.fff} [{Environment.ProcessId}] {Word(logLevel)}: {formatter(state, exception).ReplaceLineEndings(" ")}");
        // Where it happened is for those who debug; for the others the message has what they can act on.
        if (exception is not null)
        {
            line = Level <= LogLevel.Debug ? $"{line}\n{exception}" : $"{line}: {exception.Message.ReplaceLineEndings(" ")}";
        }
        lock (_lock)
        {
            writer.Write(line + "\n");
            writer.Flush();
        }
    }

    /// <summary>Where a failure came from, for those who debug; everyone else has read its line.</summary>
    public void LogFailure(Exception error)
    {
        if (Level <= LogLevel.Debug)
        {
            this.LogDebug(error, "Failed");
        }
    }

    static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "DEBUG",
        LogLevel.Information => "INFO",
        LogLevel.Warning => "WARNING",
        LogLevel.Error => "ERROR",
        _ => "CRITICAL",
    };
}
