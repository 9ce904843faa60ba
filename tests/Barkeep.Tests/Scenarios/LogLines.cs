using System.Text;
using Microsoft.Extensions.Logging;

namespace Barkeep.Tests.Scenarios;

/// <summary>Keeps what is logged.</summary>
sealed class LogLines : ILogger
{
    readonly StringBuilder _lines = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
        {
            _lines.AppendLine($"{logLevel}: {formatter(state, exception)}");
        }
    }

    public override string ToString()
    {
        lock (_lines)
        {
            return _lines.ToString();
        }
    }
}
