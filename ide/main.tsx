import 'graphiql/style.css';
import './style.css';
import './monaco-workers.js';
import { createRoot } from 'react-dom/client';
import { Ide } from './ide.js';

const container = document.getElementById('ide');
if (!container) throw new Error('index.html has no element with the id "ide".');
createRoot(container).render(<Ide />);
